import CPlatform
import Glibc

/// What must be undone in the tree should the tracing process die: a file in memory that two processes share.
///
/// The worker writes a record before it changes anything that outlives it, and clears the record after it has undone
/// the change. Records have a fixed place and size and are written by one pwrite(2), so a reader sees whole ones.
package struct UndoJournal: ~Copyable {
    /// What stays in one process when its tracer dies.
    package struct Record: Equatable, Sendable {
        package var pid: PID
        /// Field 22 of /proc/PID/stat, so that a recycled pid is left alone.
        package var startTime: UInt64
        /// Address of the healing stub, 0 for none. Its place held zero bytes before.
        package var stub: UInt64
        /// Address of the scratch mapping, 0 for none; it may not have been made yet.
        package var scratch: UInt64
        /// Bytes of the scratch mapping.
        package var scratchSize: UInt64
        /// A socket whose SO_PEEK_OFF was changed, and what it was; inode 0 for none.
        package struct PeekedSocket: Equatable, Sendable {
            package var descriptor: Int32 = 0
            package var inode: UInt64 = 0
            package var peekOffset: Int32 = 0
            package init() {}
            package init(descriptor: Int32, inode: UInt64, peekOffset: Int32) {
                self.descriptor = descriptor
                self.inode = inode
                self.peekOffset = peekOffset
            }
        }
        package var socket = PeekedSocket()
        /// The process may have a userfaultfd of ours in its table.
        package var mayHoldUserfault = false

        package init(
            pid: PID, startTime: UInt64, stub: UInt64 = 0, scratch: UInt64 = 0, scratchSize: UInt64 = 0
        ) {
            self.pid = pid
            self.startTime = startTime
            self.stub = stub
            self.scratch = scratch
            self.scratchSize = scratchSize
        }
    }

    /// What the worker is about; tells the supervisor what to do for it.
    package enum Phase: UInt64, Sendable {
        /// Undo what is recorded and leave the tree running.
        case examining = 1
        /// The checkpoint is durable and the tree is to die: finish that.
        case killing = 2
        /// Nothing is left to do.
        case done = 3
    }

    private static let wordsPerRecord = 7
    private static let userfaultBit: UInt64 = 1 << 63
    private let file: OwnedFD

    /// A new, empty journal in the phase `examining`.
    package static func make() throws(Errno) -> UndoJournal {
        let result = "crplan-journal".withCString { name in
            cp_syscall(CP_SYS_memfd_create, Int(bitPattern: name), Int(MFD_CLOEXEC), 0, 0, 0, 0)
        }
        if result < 0 { throw Errno(rawValue: Int32(-result)) }
        let journal = UndoJournal(inherited: Int32(result))
        try journal.setPhase(.examining)
        return journal
    }

    /// The journal behind a descriptor that was inherited.
    package init(inherited descriptor: Int32) { file = OwnedFD(taking: descriptor) }

    package var descriptor: Int32 { file.rawValue }

    package func setPhase(_ phase: Phase) throws(Errno) {
        try write([phase.rawValue], at: 0)
    }

    package func phase() throws(Errno) -> Phase {
        Phase(rawValue: try read(words: 1, at: 0).first ?? 0) ?? .examining
    }

    /// Writes the record of one process at its place (an index that the writer keeps).
    package func set(_ record: Record, at index: Int) throws(Errno) {
        try write(
            [
                UInt64(UInt32(bitPattern: record.pid.rawValue)), record.startTime, record.stub,
                record.scratch,
                record.scratchSize | (record.mayHoldUserfault ? Self.userfaultBit : 0), record.socket.inode,
                UInt64(UInt32(bitPattern: record.socket.descriptor)) << 32
                    | UInt64(UInt32(bitPattern: record.socket.peekOffset)),
            ], at: 1 + index * Self.wordsPerRecord)
    }

    /// Forgets the record at this place.
    package func clear(at index: Int) throws(Errno) {
        try write([UInt64](repeating: 0, count: Self.wordsPerRecord), at: 1 + index * Self.wordsPerRecord)
    }

    /// All records that are set, with their places.
    package func records() throws(Errno) -> [(index: Int, record: Record)] {
        try all().compactMap { row in
            let words = row.words
            guard words[0] >> 32 == Self.processKind else { return nil }
            var record = Record(
                pid: PID(Int32(truncatingIfNeeded: words[0])), startTime: words[1], stub: words[2],
                scratch: words[3], scratchSize: words[4] & ~Self.userfaultBit)
            record.mayHoldUserfault = words[4] & Self.userfaultBit != 0
            record.socket = .init(
                descriptor: Int32(truncatingIfNeeded: words[6] >> 32), inode: words[5],
                peekOffset: Int32(truncatingIfNeeded: words[6]))
            return (row.index, record)
        }
    }

    /// All places that hold a record of any kind, with its words.
    func all() throws(Errno) -> [(index: Int, words: [UInt64])] {
        var rows: [(index: Int, words: [UInt64])] = []
        var index = 0
        while true {
            let words = try read(words: Self.wordsPerRecord, at: 1 + index * Self.wordsPerRecord)
            guard words.count == Self.wordsPerRecord else { return rows }
            if words[0] != 0 { rows.append((index, words)) }
            index += 1
        }
    }

    /// Writes the words of one record, zeroes after them.
    func write(_ words: [UInt64], index: Int) throws(Errno) {
        let rest = [UInt64](repeating: 0, count: Self.wordsPerRecord - words.count)
        try write(words + rest, at: 1 + index * Self.wordsPerRecord)
    }

    private func write(_ words: [UInt64], at word: Int) throws(Errno) {
        try words.withUnsafeBufferPointer { (buffer) throws(Errno) -> Void in
            try systemCall(
                CP_SYS_pwrite64, Int(file.rawValue), Int(bitPattern: buffer.baseAddress), words.count * 8,
                word * 8)
        }
    }

    private func read(words count: Int, at word: Int) throws(Errno) -> [UInt64] {
        var words = [UInt64](repeating: 0, count: count)
        let bytes = try words.withUnsafeMutableBufferPointer { (buffer) throws(Errno) -> Int in
            try systemCall(
                CP_SYS_pread64, Int(file.rawValue), Int(bitPattern: buffer.baseAddress), count * 8, word * 8)
        }
        return Array(words[0..<bytes / 8])
    }
}
