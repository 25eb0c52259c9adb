import Glibc
import TestSupport
import Testing

@testable import CREngine

/// What stands in the way of unix sockets at a dump and at a restore, and that nothing is left behind then.
@Suite(
    .serialized,
    .enabled(if: BuiltPrograms.canCheckpoint, "needs root, and a crplan that has dump and restore"))
struct UnixNameTests {
    @Test func `a path where another server listens now is told, and left alone`() throws {
        let subject = try DumpedSubject(["unix", "listen"])
        try subject.dump()
        let isGone = subject.reapAll()
        try #require(isGone)
        let path = subject.place + "/private/server"
        let unlinked = unlink(path)
        try #require(unlinked == 0)
        let other = try OwnSocket.listening(at: path)
        let refused = try subject.restore()
        #expect(refused.ending == .exit(1))
        #expect(refused.output.contains("\(path): is the socket of another server now; end it"))
        #expect(subject.alive == [])
        _ = try OwnSocket.client(of: path)
        _ = consume other
    }

    @Test func `a file of another kind at the path is told, and left alone`() throws {
        let subject = try DumpedSubject(["unix", "listen"])
        try subject.dump()
        let isGone = subject.reapAll()
        try #require(isGone)
        let path = subject.place + "/private/server"
        let unlinked = unlink(path)
        try #require(unlinked == 0)
        try write("mine", to: path)
        let refused = try subject.restore()
        #expect(refused.ending == .exit(1))
        #expect(
            refused.output.contains("\(path): is where a socket was bound, and is another kind of file now"))
        #expect(text(of: path) == "mine")
    }

    @Test func `a restore that fails late takes its socket files away`() throws {
        let subject = try DumpedSubject(["unix", "listen"])
        try subject.dump()
        let isGone = subject.reapAll()
        try #require(isGone)
        let failed = try subject.restore(["--action-script", "test $CRTOOLS_SCRIPT_ACTION != post-restore"])
        #expect(failed.ending == .exit(1))
        #expect(subject.alive == [])
        #expect(access(subject.place + "/private/server", F_OK) == -1)
        // What was half made has ended, and we are its parent.
        let isGoneAgain = subject.reapAll()
        try #require(isGoneAgain)
        let restored = try subject.restore()
        #expect(restored.ending == .exit(0), "\(restored.output)")
    }

    @Test func `a connection from outside that waits to be accepted blocks`() throws {
        let subject = try DumpedSubject(["unix", "listen"])
        let client = try OwnSocket.client(of: subject.place + "/private/server")
        let words = [BuiltPrograms.crplan, "dump", "-t", "\(subject.root)", "-D", subject.images]
        let refused = try Command.run(words)
        #expect(refused.ending == .exit(1))
        #expect(refused.output.contains("CRP204"), "\(refused.output)")
        #expect(refused.output.contains("with 1 waiting connections"), "\(refused.output)")
        _ = consume client
    }
}

/// Unix sockets of the test itself, which no tree has.
private enum OwnSocket {
    static func listening(at path: String) throws(Errno) -> OwnedFD {
        let socket = try SocketCalls.make(UInt32(AF_UNIX), 1, 0)
        try SocketCalls.bind(socket.rawValue, SocketName.address(Array(path.utf8) + [0]))
        if listen(socket.rawValue, 4) != 0 { throw Errno(rawValue: errno) }
        return socket
    }

    static func client(of path: String) throws(Errno) -> OwnedFD {
        let socket = try SocketCalls.make(UInt32(AF_UNIX), 1, 0)
        try SocketCalls.connect(socket.rawValue, SocketName.address(Array(path.utf8) + [0]))
        return socket
    }
}
