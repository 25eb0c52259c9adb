import Glibc
import TestSupport
import Testing

@testable import CREngine

/// Rules of a policy that keep one connection and close another.
@Suite(
    .serialized, .enabled(if: BuiltPrograms.canApply, "needs root, and a crplan that has apply and restore"))
struct ClosedConnectionTests {
    /// Answers each line on two ports, which it writes into a file.
    private static let server = """
        import os, selectors, socket
        chosen, sockets = selectors.DefaultSelector(), [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        for s in sockets: chosen.register(s, selectors.EVENT_READ)
        with open("ports.new", "w") as out: out.write(" ".join(str(s.getsockname()[1]) for s in sockets))
        os.rename("ports.new", "ports")
        while True:
            for key, _ in chosen.select():
                if key.fileobj in sockets: chosen.register(key.fileobj.accept()[0], selectors.EVENT_READ)
                elif data := key.fileobj.recv(100): key.fileobj.sendall(b"echo " + data)
                else: chosen.unregister(key.fileobj), key.fileobj.close()
        """
    /// Connected to both; tells, when it is asked, what it finds.
    private static let client = """
        import os, socket, time
        def tell(text):
            with open("told.new", "w") as out: out.write(text)
            os.rename("told.new", "told")
        def ask(s):
            try:
                s.sendall(b"hello\\n")
            except OSError as error:
                return error.__class__.__name__ + " then " + repr(s.recv(100))
            return repr(s.recv(100))
        pair = [socket.create_connection(("127.0.0.1", int(port))) for port in open("ports").read().split()]
        for s in pair: ask(s)
        tell("ready")
        while not os.path.exists("check"): time.sleep(0.01)
        tell(", ".join(ask(s) for s in pair))
        """

    @Test func `a rule closes one connection and leaves the other as it is`() throws {
        var load = try Workload()
        let place = load.place
        let server = try spawn(
            ["/usr/bin/python3", "-c", Self.server], log: place + "/server.log", directory: place)
        defer { end([server]) }
        let isServing = load.await { text(of: place + "/ports") != nil }
        try #require(isServing)
        let ports = load.contents("ports").split(separator: " ")
        try load.start(["/usr/bin/python3", "-c", Self.client])
        let isReady = load.await { load.contents("told") == "ready" }
        try #require(isReady, "\(load.contents("log"))")
        let file = try load.writePolicy("closing", pids: [load.root])
        let rules =
            "[{peer: 127.0.0.1, peer-port: \(ports[0]), action: close}, {peer: 127.0.0.0/8, action: keep}]"
        try write((text(of: file) ?? "") + "allow: {tcp-established: \(rules)}\n", to: file)
        let applied = try Command.run([BuiltPrograms.crplan, "apply", file])
        try #require(applied.ending == .exit(0), "\(applied.output)")
        let isGone = reap([load.root], until: now() + 20)
        try #require(isGone)

        let checkpoint = try #require(try Store(path: load.store).checkpoints().first)
        let tree = try ImageSet.read(from: try OwnedFD.open(checkpoint.imagesPath, O_RDONLY | O_DIRECTORY))
        // CRIU's flag is for all connections of a set.
        #expect(tree.inventory.tcpClose == nil)
        let sockets = tree.files.compactMap { file -> InetSocketImage? in
            if case .inetSocket(let image) = file.content { image } else { nil }
        }
        #expect(sockets.map(\.state).sorted() == [TCPState.established, TCPState.close])
        #expect(tree.tcpStreams.count == 1)
        #expect(try checkpoint.manifest().networkLock?.connections.count == 1)

        let restored = try load.restore("closing")
        #expect(restored.ending == .exit(0), "\(restored.output)")
        let table = try #require(try checkpoint.manifest().networkLock?.table)
        #expect(try !NetworkLock.tables().contains(table))
        try write("", to: place + "/check")
        let isTold = load.await { load.contents("told") != "ready" }
        #expect(isTold)
        #expect(load.contents("told") == "BrokenPipeError then b'', b'echo hello\\n'")
        #expect(load.ended() == .exit(0))
    }
}
