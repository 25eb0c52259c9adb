import Glibc
import TestSupport
import Testing

@testable import CREngine

/// What a supervisor does about the notes of a worker that died.
@Suite struct UndoNotesTests {
    @Test func `notes that were cleared are not done, and the newest comes first`() throws {
        let notes = try UndoNotes.make()
        let first = UndoNote.name(path: "/a", inode: 1)
        let second = UndoNote.name(path: "/b", inode: 2)
        _ = try notes.add(first)
        let mark = try notes.add(.name(path: "/gone", inode: 3))
        _ = try notes.add(second)
        try notes.remove(mark)
        #expect(try notes.pending() == [second, first])
    }

    @Test func `a name goes only while it leads to the file that was linked`() throws {
        let directory = try makeDirectory(in: "/tmp")
        defer { remove(directory) }
        let (kept, gone) = (directory + "/kept", directory + "/gone")
        for path in [kept, gone] {
            _ = try OwnedFD.open(path, O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
        }
        let notes = try UndoNotes.make()
        let facts = try FileFacts.of(gone, followingLinks: false)
        _ = try notes.add(.name(path: gone, inode: facts.inode))
        _ = try notes.add(.name(path: kept, inode: facts.inode))
        _ = try notes.add(.name(path: directory + "/never", inode: 1))
        #expect(NoteUndo.run(notes) == [])
        #expect(access(gone, F_OK) != 0)
        #expect(access(kept, F_OK) == 0)
    }

    @Test(.enabled(if: geteuid() == 0, "needs root"))
    func `bytes that were taken out of a terminal come back, before what came since`() throws {
        let master = try OwnedFD.open("/dev/ptmx", O_RDWR | O_NOCTTY)
        try TerminalControl.setLocked(master.rawValue, false)
        let index = try TerminalControl.pairIndex(master.rawValue)
        let slave = try OwnedFD.open("/dev/pts/\(index)", O_RDWR | O_NOCTTY)
        let modes = try TerminalControl.modes(slave.rawValue)
        try master.writeAll(Array("one\ntw".utf8))
        // The kernel hands the bytes over in its own time.
        #expect(poll(until: now() + 5) { (try? TerminalControl.unread(slave.rawValue)) == 4 })
        let taken = try TerminalQueue.take(
            slave.rawValue, modes: modes, isMaster: false, isPacket: false)
        #expect(taken == Array("one\ntw".utf8))
        // A worker that died amid putting them back; then somebody typed.
        try TerminalQueue.put(
            Array("one\n".utf8), into: slave.rawValue, modes: modes, isMaster: false, peer: nil)
        try TerminalControl.setModes(slave.rawValue, modes.transparent)

        let notes = try UndoNotes.make()
        _ = try notes.add(.terminalModes(pid: PID(getpid()), fd: slave.rawValue, modes: modes))
        _ = try notes.add(
            .terminalInput(
                pid: PID(getpid()), fd: slave.rawValue, modes: modes, isMaster: false, bytes: taken))
        #expect(NoteUndo.run(notes) == [])
        #expect(try TerminalControl.modes(slave.rawValue) == modes)
        try master.writeAll(Array("o\n".utf8))
        var lines: [String] = []
        while lines.count < 2 {
            var buffer = [UInt8](repeating: 0, count: 64)
            try #require(
                poll(until: now() + 5) { (try? TerminalQueue.ready(slave.rawValue, Int16(POLLIN))) == true })
            let count = try buffer.withUnsafeMutableBufferPointer { (target) throws(Errno) -> Int in
                try slave.read(into: UnsafeMutableRawBufferPointer(target))
            }
            lines.append(String(decoding: buffer[..<count], as: UTF8.self))
        }
        #expect(lines == ["one\n", "two\n"])
    }
}
