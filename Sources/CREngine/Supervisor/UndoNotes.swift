import CPlatform
import FoundationEssentials
import Glibc

/// One thing that must be undone should the tracing process die, and that is no memory of a task.
package enum UndoNote: Codable, Equatable, Sendable {
    /// A name that a dump made: to be removed where it still leads to this inode.
    case name(path: String, inode: UInt64)
    /// Nothing to undo: once the image directory of this inode has this path, the images are published, and the names
    /// that were made for them stay.
    case publishing(images: String, inode: UInt64)
    /// A terminal whose modes were changed.
    case terminalModes(pid: PID, fd: Int32, modes: TerminalModes)
    /// A terminal whose unread bytes were taken out.
    case terminalInput(pid: PID, fd: Int32, modes: TerminalModes, isMaster: Bool, bytes: [UInt8])
    /// A group of tasks that was frozen or thawed, and what it was.
    case frozenGroup(file: String, state: String)
    /// Connections that rules of iptables hold.
    case packetRules([ConnectionLock.Ends])
}

/// The part of the undo journal whose records have no fixed size: a second file in memory.
///
/// A record is its length, a word that tells whether it is to be done, and JSON; the length is written last, so a reader
/// sees whole records only. In use before the change it speaks of, cleared after the change was undone or is to stay.
package final class UndoNotes {
    private let file: OwnedFD
    private var end = 0

    private init(_ file: consuming OwnedFD) { self.file = file }

    /// An empty file.
    package static func make() throws(Errno) -> UndoNotes {
        let result = "crplan-notes".withCString { name in
            cp_syscall(CP_SYS_memfd_create, Int(bitPattern: name), Int(MFD_CLOEXEC), 0, 0, 0, 0)
        }
        if result < 0 { throw Errno(rawValue: Int32(-result)) }
        return UndoNotes(OwnedFD(taking: Int32(result)))
    }

    /// The file behind a descriptor that was inherited.
    package init(inherited descriptor: Int32) { file = OwnedFD(taking: descriptor) }

    package var descriptor: Int32 { file.rawValue }

    /// Place of a record in the file.
    package struct Mark { fileprivate let offset: Int }

    /// Adds a record; what it speaks of may be changed from now on.
    package func add(_ note: UndoNote) throws(Errno) -> Mark {
        guard let data = try? JSONEncoder().encode(note) else { throw .invalid }
        let bytes = Array(data)
        let padded = bytes + [UInt8](repeating: 0x20, count: (8 - bytes.count % 8) % 8)
        let mark = Mark(offset: end)
        try write(padded, at: end + 16)
        try write(word(1), at: end + 8)
        try write(word(UInt64(padded.count)), at: end)
        end += 16 + padded.count
        return mark
    }

    /// Clears a record.
    package func remove(_ mark: Mark) throws(Errno) { try write(word(0), at: mark.offset + 8) }

    /// Records that are to be done, the newest first.
    package func pending() throws(Errno) -> [UndoNote] {
        var notes: [UndoNote] = []
        var place = 0
        while true {
            let head = try read(16, at: place)
            guard head.count == 16 else { break }
            let words = head.withUnsafeBytes {
                ($0.loadUnaligned(as: UInt64.self), $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            }
            guard words.0 > 0, words.0 < 1 << 24 else { break }
            if words.1 != 0 {
                let bytes = try read(Int(words.0), at: place + 16)
                guard let note = try? JSONDecoder().decode(UndoNote.self, from: Data(bytes)) else {
                    throw .invalid
                }
                notes.append(note)
            }
            place += 16 + Int(words.0)
        }
        return notes.reversed()
    }

    private func word(_ value: UInt64) -> [UInt8] { withUnsafeBytes(of: value) { Array($0) } }

    private func write(_ bytes: [UInt8], at offset: Int) throws(Errno) {
        try bytes.withUnsafeBufferPointer { (buffer) throws(Errno) -> Void in
            try systemCall(
                CP_SYS_pwrite64, Int(file.rawValue), Int(bitPattern: buffer.baseAddress), bytes.count, offset)
        }
    }

    private func read(_ count: Int, at offset: Int) throws(Errno) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let got = try bytes.withUnsafeMutableBufferPointer { (buffer) throws(Errno) -> Int in
            try systemCall(
                CP_SYS_pread64, Int(file.rawValue), Int(bitPattern: buffer.baseAddress), count, offset)
        }
        return Array(bytes[..<got])
    }
}
