import CPlatform
import FoundationEssentials
import Glibc

/// A policy's history in its store: `STORE/POLICY/history.jsonl`, one event a line, only ever appended to.
///
/// Any number of processes may write and read it at once. A line that a crash or a full disk cut off costs that line:
/// the next writer begins a new one, and readers tell of it and go on.
package struct History: Sendable {
    package static let fileName = "history.jsonl"
    /// What `history.jsonl` was before it grew beyond its limit.
    package static let olderName = "history.1.jsonl"
    /// Bytes. The two files together have no more than twice this and a line.
    package static let sizeLimit = 1 << 20

    /// What could be read.
    package struct Contents: Sendable, Equatable {
        /// Oldest first.
        package var events: [HistoryEvent] = []
        /// Lines that are no events, `history.jsonl:12: was cut off`.
        package var damage: [String] = []
    }

    private let directory: String
    private let limit: Int

    package init(store: Store, policy: String, limit: Int = History.sizeLimit) {
        directory = "\(store.path)/\(policy)"
        self.limit = limit
    }

    private var path: String { "\(directory)/\(History.fileName)" }

    /// Appends events in one write and makes them durable; makes the policy's directory where it is missing.
    package func append(_ events: [HistoryEvent]) throws(StoreError) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .iso8601
        var lines: [UInt8] = []
        for event in events {
            guard let line = try? encoder.encode(event) else {
                throw StoreError(.failed, path, "an event cannot be encoded")
            }
            lines += Array(line) + [UInt8(ascii: "\n")]
        }
        let place = try StoreDirectory.openOrMake(path: directory)
        try StoreError.about(path, "cannot be written") { () throws(Errno) -> Void in
            let file = try lockedFile(in: place)
            let isCut = try History.endsAmidLine(file)
            try file.writeAll(isCut ? [UInt8(ascii: "\n")] + lines : lines)
            try systemCall(CP_SYS_fdatasync, Int(file.rawValue))
        }
    }

    /// All that is there; nothing where there is no history yet.
    package func read() throws(StoreError) -> Contents {
        var contents = Contents()
        for (name, lines) in try lines() {
            for (index, line) in lines.enumerated() where !line.isEmpty {
                if let event = History.event(line) {
                    contents.events.append(event)
                } else {
                    let fact = "is no event; it was cut off by a crash, or changed"
                    contents.damage.append("\(directory)/\(name):\(index + 1): \(fact)")
                }
            }
        }
        return contents
    }

    /// The newest event of which something holds; decodes no more than it must.
    package func last(where holds: (HistoryEvent) -> Bool) throws(StoreError) -> HistoryEvent? {
        for (_, lines) in try lines().reversed() {
            for line in lines.reversed() where !line.isEmpty {
                if let event = History.event(line), holds(event) { return event }
            }
        }
        return nil
    }

    private static func event(_ line: ArraySlice<UInt8>) -> HistoryEvent? {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        return try? decoder.decode(HistoryEvent.self, from: Data(line))
    }

    /// Of both files, the older one first.
    private func lines() throws(StoreError) -> [(name: String, lines: [ArraySlice<UInt8>])] {
        guard access(path, F_OK) == 0 else { return [] }
        let place = try StoreDirectory.open(directory)
        // Shared, so that no writer turns the files meanwhile.
        let file = try StoreError.about(path, "cannot be read") { () throws(Errno) -> OwnedFD in
            let file = try OwnedFD.openat(place.fd.rawValue, History.fileName, O_RDONLY | O_NOFOLLOW)
            try systemCall(CP_SYS_flock, Int(file.rawValue), Int(LOCK_SH))
            return file
        }
        var found: [(name: String, lines: [ArraySlice<UInt8>])] = []
        if try place.entry(History.olderName) != nil {
            let older = try place.file(History.olderName)
            found.append((History.olderName, try split(older, History.olderName)))
        }
        found.append((History.fileName, try split(file, History.fileName)))
        return found
    }

    private func split(_ file: borrowing OwnedFD, _ name: String) throws(StoreError) -> [ArraySlice<UInt8>] {
        let bytes = try StoreError.about("\(directory)/\(name)", "cannot be read") {
            () throws(Errno) -> [UInt8] in try file.readToEnd()
        }
        return bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    }

    /// The file that now has the name, locked alone, with room for more.
    private func lockedFile(in place: borrowing StoreDirectory) throws(Errno) -> OwnedFD {
        while true {
            let file = try OwnedFD.openat(
                place.fd.rawValue, History.fileName, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW, mode: 0o600)
            try systemCall(CP_SYS_flock, Int(file.rawValue), Int(LOCK_EX))
            var held = stat()
            var present = stat()
            guard fstat(file.rawValue, &held) == 0 else { throw Errno(rawValue: errno) }
            // Another writer may have turned the files while we waited.
            let isThere = fstatat(place.fd.rawValue, History.fileName, &present, AT_SYMLINK_NOFOLLOW) == 0
            guard isThere, held.st_ino == present.st_ino, held.st_dev == present.st_dev else { continue }
            if held.st_size < limit { return file }
            if renameat(place.fd.rawValue, History.fileName, place.fd.rawValue, History.olderName) != 0 {
                throw Errno(rawValue: errno)
            }
            try systemCall(CP_SYS_fsync, Int(place.fd.rawValue))
        }
    }

    private static func endsAmidLine(_ file: borrowing OwnedFD) throws(Errno) -> Bool {
        let end = lseek(file.rawValue, 0, SEEK_END)
        if end <= 0 { return false }
        var last: UInt8 = 0
        let count = pread(file.rawValue, &last, 1, end - 1)
        if count < 0 { throw Errno(rawValue: errno) }
        return count == 1 && last != UInt8(ascii: "\n")
    }
}
