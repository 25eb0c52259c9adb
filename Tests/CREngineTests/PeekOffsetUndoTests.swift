import Glibc
import TestSupport
import Testing

@testable import CREngine

/// SO_PEEK_OFF outlives a tracer; the journal has what it was.
@Suite struct PeekOffsetUndoTests {
    private static let peekOffset: Int32 = 42

    private func socket() throws(Errno) -> OwnedFD { try SocketCalls.make(UInt32(AF_UNIX), 1, 0) }

    /// A record of this very process, whose peek offset is to become -1 again.
    private func record(_ socket: borrowing OwnedFD, inode: UInt64) throws -> UndoJournal.Record {
        let own = PID(getpid())
        let stat = try #require(TaskList.stat(own, own.leader))
        var record = UndoJournal.Record(pid: own, startTime: stat.startTime)
        record.socket = .init(descriptor: socket.rawValue, inode: inode, peekOffset: -1)
        return record
    }

    private func offset(_ socket: borrowing OwnedFD) throws -> Int32 {
        Int32(
            bitPattern: try SocketCalls.number(socket.rawValue, SocketOption.socketLevel, Self.peekOffset))
    }

    @Test func `the offset of a dead tracer's peek is put back`() throws {
        let socket = try socket()
        let inode = try FileFacts.of("/proc/self/fd/\(socket.rawValue)", followingLinks: true).inode
        try SocketCalls.set(socket.rawValue, SocketOption.socketLevel, Self.peekOffset, 100)
        let journal = try UndoJournal.make()
        let record = try record(socket, inode: inode)
        try journal.set(record, at: 3)
        #expect(try journal.records().map(\.record) == [record])
        #expect(TreeUndo(faults: FaultPoints()).run(journal) == [])
        #expect(try offset(socket) == -1)
        #expect(try journal.records().isEmpty)
    }

    @Test func `another socket at the same number is left alone`() throws {
        let socket = try socket()
        try SocketCalls.set(socket.rawValue, SocketOption.socketLevel, Self.peekOffset, 100)
        let journal = try UndoJournal.make()
        try journal.set(try record(socket, inode: 1), at: 0)
        #expect(TreeUndo(faults: FaultPoints()).run(journal) == [])
        #expect(try offset(socket) == 100)
    }
}
