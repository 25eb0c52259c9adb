import Glibc
import TestSupport
import Testing

@testable import CREngine

/// A tree of this host and a peer in a network namespace of its own, with a cable (veth) between them, and four
/// connections over it: of IPv4 and IPv6, each opened by either side.
struct Cable: ~Copyable {
    let directory: String
    let tree: Int32
    private let peer: Int32
    var store: String { directory + "/store" }

    /// What both sides do: bytes of a known sequence go both ways, slowly until the file `go` is there, then to their end.
    private static let pump = """
        import fcntl, os, select, socket, struct, sys, time
        total, block = 6 << 20, bytes(range(251)) * 300
        def pump(socks, count):
            sent, got = dict.fromkeys(socks, 0), dict.fromkeys(socks, 0)
            ended, told = set(), 0
            deadline = time.monotonic() + 90
            for s in socks:
                s.setblocking(False)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 100_000)
            while len(ended) < len(socks) or any(n < total for n in sent.values()):
                if time.monotonic() > deadline: sys.exit(f"late: sent {list(sent.values())} got {list(got.values())}")
                slow = not os.path.exists("go")
                if slow: time.sleep(0.01)
                writers = [s for s in socks if sent[s] < total]
                readers = [s for s in socks if s not in ended]
                ready = select.select(readers, writers, [], 1)
                for s in ready[0]:
                    data = s.recv(65536)
                    start = got[s] % 251
                    if data != block[start:start + len(data)]: sys.exit(f"wrong bytes after {got[s]}")
                    got[s] += len(data)
                    if not data:
                        if got[s] != total: sys.exit(f"the end came after {got[s]} bytes")
                        ended.add(s)
                for s in ready[1]:
                    start = sent[s] % 251
                    sent[s] += s.send(block[start:start + min(4000 if slow else 65536, total - sent[s])])
                    if sent[s] == total: s.shutdown(socket.SHUT_WR)
                if count and time.monotonic() > told:
                    # SIOCOUTQ, what the other side has not acknowledged.
                    waits = [struct.unpack("i", fcntl.ioctl(s, 0x5411, b"1234"))[0] for s in socks]
                    with open(count + ".new", "w") as out:
                        out.write(" ".join(map(str, [*sent.values(), *got.values(), *waits])))
                    os.rename(count + ".new", count)
                    told = time.monotonic() + 0.05
        def connected(host, port):
            for _ in range(2000):
                try: return socket.create_connection((host, port))
                except OSError: time.sleep(0.01)
            sys.exit(f"{host}:{port} cannot be reached")
        def listening(host, port):
            s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind((host, port))
            s.listen()
            return s
        def run(hosts, others, count):
            servers = [listening(host, 7001) for host in hosts]
            socks = [connected(host, 7001) for host in others]
            socks += [s.accept()[0] for s in servers]
            pump(socks, count)
            with open(count + ".end", "w") as out: out.write("pass")
            os.rename(count + ".end", count + ".verdict")
        """

    init() throws {
        try becomeSubreaper()
        let place = try makeDirectory(in: "/tmp")
        try write(Self.pump, to: place + "/pump.py")
        let hosts = "\"198.51.100.1\", \"fd00:c0de::1\""
        let others = "\"198.51.100.2\", \"fd00:c0de::2\""
        func python(_ body: String) -> [String] {
            ["/usr/bin/python3", "-c", "import sys; sys.path.insert(0, '.'); import pump, os, time\n" + body]
        }
        let wait = "while not os.path.exists('cabled'): time.sleep(0.01)\n"
        let far = try spawn(
            ["/usr/bin/unshare", "-n"] + python(wait + "pump.run([\(others)], [\(hosts)], 'peer')"),
            log: place + "/peer.log", directory: place)
        let own = link(at: "/proc/self/ns/net")
        #expect(poll(until: now() + 20) { ![own, nil].contains(link(at: "/proc/\(far)/ns/net")) })
        let near = "crp\(far)"
        let cable = """
            set -e
            ip link add \(near) type veth peer name far netns \(far)
            ip addr add 198.51.100.1/30 dev \(near)
            ip addr add fd00:c0de::1/64 dev \(near) nodad
            ip link set \(near) up
            nsenter -t \(far) -n ip addr add 198.51.100.2/30 dev far
            nsenter -t \(far) -n ip addr add fd00:c0de::2/64 dev far nodad
            nsenter -t \(far) -n ip link set far up
            """
        let made = try Command.run(["/bin/bash", "-c", cable])
        let root = try spawn(
            python("pump.run([\(hosts)], [\(others)], 'tree')"), log: place + "/tree.log", directory: place)
        #expect(made.ending == .exit(0), "\(made.output)")
        try write("", to: place + "/cabled")
        directory = place
        tree = root
        peer = far
    }

    /// The cable goes with the peer's namespace.
    deinit {
        end([tree, peer])
        remove(directory)
    }

    /// What a side tells of its connections, a number for each.
    enum Count: Int { case sent, got, unacknowledged }

    /// Waits until one side counts as many bytes for each connection.
    func awaitBytes(_ bytes: Int, _ count: Count, of side: String) {
        var counts: [Int] = []
        let path = "\(directory)/\(side)"
        let isThere = poll(until: now() + 40) {
            counts = (text(of: path) ?? "").split(separator: " ").compactMap { Int($0) }
            let rows = counts.dropFirst(count.rawValue * 4).prefix(4)
            return rows.count == 4 && rows.allSatisfy { $0 >= bytes }
        }
        #expect(isThere, "\(counts)")
    }

    /// Dumps the tree by a policy that keeps its connections.
    func dump() throws -> Checkpoint {
        let file = directory + "/policy.yaml"
        try write(
            """
            version: 1
            name: cable
            select: [{pid: \(tree)}]
            allow:
              tcp-established:
                - {peer: 203.0.113.0/24, action: deny}
                - {peer: 198.51.100.2, peer-port: 7001, action: keep}
                - {peer: 198.51.100.0/30, local-port: 7001, action: keep}
                - {peer: "fd00:c0de::/64", action: keep}
            store: {path: \(store)}

            """, to: file)
        let applied = try Command.run([BuiltPrograms.crplan, "apply", file])
        try #require(applied.ending == .exit(0), "\(applied.output)")
        let isGone = reap([tree], until: now() + 20)
        try #require(isGone)
        return try #require(try Store(path: store).checkpoints().first)
    }

    /// Lets both sides go to their end, and gives what they say.
    func verdicts() throws -> [String] {
        try write("", to: directory + "/go")
        let sides = ["tree", "peer"]
        _ = poll(until: now() + 60) { sides.allSatisfy { text(of: "\(directory)/\($0).verdict") != nil } }
        return sides.map {
            text(of: "\(directory)/\($0).verdict") ?? text(of: "\(directory)/\($0).log") ?? "nothing"
        }
    }
}

/// Connections over a cable, whose peer goes on while the tree is away.
@Suite(
    .serialized,
    .enabled(if: BuiltPrograms.canApply, "needs root, and a crplan that has apply and restore"),
    .enabled(if: access("/usr/sbin/ip", X_OK) == 0, "needs ip(8)"))
struct RemoteConnectionTests {
    @Test func `a peer that sends all the while finds its connections whole`() throws {
        let cable = try Cable()
        cable.awaitBytes(20_000, .got, of: "tree")
        cable.awaitBytes(20_000, .got, of: "peer")
        let checkpoint = try cable.dump()
        #expect(try checkpoint.manifest().networkLock?.connections.count == 4)
        // Into its own queues, as nothing gets through.
        cable.awaitBytes(20_000, .unacknowledged, of: "peer")
        let restored = try Command.run([BuiltPrograms.crplan, "restore", checkpoint.path])
        #expect(restored.ending == .exit(0), "\(restored.output)")
        let table = try #require(try checkpoint.manifest().networkLock?.table)
        #expect(try !NetworkLock.tables().contains(table))
        let verdicts = try cable.verdicts()
        #expect(verdicts == ["pass", "pass"])
    }

    @Test(arguments: [
        "connections locked", "processes made", "sockets made", "descriptors placed", "before unlocking",
    ])
    func `a restore that is killed leaves nothing but the lock, and another one works`(_ point: String) throws
    {
        let cable = try Cable()
        cable.awaitBytes(8_000, .got, of: "peer")
        let checkpoint = try cable.dump()
        let table = try #require(try checkpoint.manifest().networkLock?.table)
        #expect(try NetworkLock.tables().contains(table))
        setenv("CRPLAN_STOP_AT", "=\(point)", 1)
        defer { unsetenv("CRPLAN_STOP_AT") }
        let tool = try spawn(
            [BuiltPrograms.crplan, "restore", checkpoint.path], log: cable.directory + "/tool.log",
            directory: cable.directory)
        var status: Int32 = 0
        let hasStopped = poll(until: now() + 60) { waitpid(tool, &status, WUNTRACED | WNOHANG) == tool }
        #expect(hasStopped && status & 0xff == 0x7f, "no stop at \(point)")
        kill(tool, SIGKILL)
        _ = wait(for: tool, until: now() + 30)
        unsetenv("CRPLAN_STOP_AT")
        let isGone = reap([cable.tree], until: now() + 20)
        #expect(isGone)
        #expect(try NetworkLock.tables().contains(table))
        let restored = try Command.run([BuiltPrograms.crplan, "restore", checkpoint.path])
        #expect(restored.ending == .exit(0), "\(restored.output)")
        #expect(try !NetworkLock.tables().contains(table))
        let verdicts = try cable.verdicts()
        #expect(verdicts == ["pass", "pass"])
    }
}
