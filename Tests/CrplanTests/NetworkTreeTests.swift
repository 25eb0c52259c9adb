import Glibc
import TestSupport
import Testing

/// Trees with a network namespace of their own: what is in it, what hangs on it outside, and what is left of it.
@Suite(
    .serialized,
    .enabled(if: BuiltPrograms.canCheckpoint, "needs root, and a crplan that has dump and restore"))
struct NetworkTreeTests {
    static let inside = """
        ip link add eth0 type veth peer name out0 netns /proc/$OUTSIDE/ns/net
        nsenter --net=/proc/$OUTSIDE/ns/net ip link set out0 master br0 up
        ip link add br7 type bridge
        ip link add va type veth peer name vb
        ip link set vb master br7
        ip addr add 10.9.1.1/24 dev eth0
        ip addr add fd00:9::1/64 dev eth0 nodad
        ip addr add 10.9.2.1/24 dev br7
        for link in eth0 br7 va vb; do ip link set $link up; done
        ip route add default via 10.9.1.2
        ip route add 10.78.0.0/16 via 10.9.1.2 table 77 metric 5
        ip rule add from 10.3.0.0/16 lookup 77 prio 1000
        ip -6 rule add from fd00:3::/32 lookup 77 prio 1001
        ip neigh add 10.9.1.2 lladdr 02:00:00:00:00:77 dev eth0 nud permanent
        sysctl -q -w net.ipv4.ip_forward=1 net.core.somaxconn=99 net.ipv4.ip_unprivileged_port_start=80
        sysctl -q -w net.ipv4.tcp_rmem='4096 131072 7000000'
        nft 'add table inet foo; add chain inet foo c { type filter hook input priority 0; }'
        nft 'add rule inet foo c iif "eth0" tcp dport 81 accept'
        while ip -6 addr show tentative | grep -q .; do sleep 0.02; done
        """

    @Test(
        arguments: ["dump,restore,check", "dump-running,check", "dump-running,cycle:2,check"],
        ["net", "pid,net,uts,ipc"])
    func `a namespace comes back with its links, rules and sockets`(_ steps: String, _ kinds: String) throws {
        let home = try NetworkHome()
        let run = try home.run([
            "/bin/sh", "-c", "export OUTSIDE=$$; exec \"$@\"", "sh", BuiltPrograms.subjectRunner, "--tool",
            BuiltPrograms.crplan, "--steps", steps, "--namespaces", kinds, "--inside", Self.inside,
            "--dump-option", "--tcp-established", "--restore-option", "--external", "--restore-option",
            "veth[eth0]:out0@br0", "network", "127.0.0.1", "10.9.1.1", "10.9.2.1",
        ])
        #expect(run.ending == .exit(0), "\(run.output)")
        #expect(try home.expect("nft list ruleset") == "")
    }

    private static let server = [
        "/usr/bin/python3", "-m", "http.server", "--bind", "198.51.100.2", "--directory", ".", "8080",
    ]
    private static let request = """
        import sys, time, urllib.request
        for _ in range(20):
            try:
                print(urllib.request.urlopen("http://198.51.100.2:8080/hello", timeout=2).read().decode())
                sys.exit()
            except OSError as error: last = error; time.sleep(0.1)
        sys.exit(str(last))
        """

    private func asks(_ home: borrowing NetworkHome) throws -> String {
        trimmed(try home.run(["/usr/bin/python3", "-c", Self.request]).output)
    }

    /// A server that answered and was taken.
    private func takeServer(in home: inout NetworkHome) throws -> (root: pid_t, images: String) {
        try write("it is me", to: home.directory + "/hello")
        let root = try home.start(Self.server, address: "198.51.100.2", end: "out0", log: "server.log")
        #expect(try asks(home) == "it is me")
        let images = try makeDirectory(in: home.directory)
        let dump = try home.crplan(["dump", "-t", "\(root)", "-D", images, "--tcp-established"])
        #expect(dump.ending == .exit(0), "\(dump.output)")
        _ = wait(for: root, until: now() + 10)
        return (root, images)
    }

    @Test func `a server behind a bridge answers before and after`() throws {
        var home = try NetworkHome()
        let (_, images) = try takeServer(in: &home)

        let taken = try home.crplan(["restore", "-D", images, "-d", "--veth-pair", "eth0=br0"])
        #expect(taken.ending == .exit(1))
        #expect(
            taken.output.contains("outer end br0 of link eth0 of a network namespace: is the name of a link"))
        let lost = try home.crplan(["restore", "-D", images, "--plan", "--external", "veth[eth0]:out0@br9"])
        #expect(lost.ending == .exit(3), "\(lost.output)")
        #expect(lost.output.contains("bridge br9: is not there"), "\(lost.output)")
        #expect(poll(until: now() + 10) { (try? home.links()) == ["lo", "br0"] })

        let restored = try home.crplan([
            "restore", "-D", images, "-d", "-v4", "--external", "veth[eth0]:out0@br0",
        ])
        #expect(restored.ending == .exit(0), "\(restored.output)")
        #expect(
            restored.output.contains("link eth0 of the tree has its outer end in out0"), "\(restored.output)")
        #expect(try asks(home) == "it is me")
        #expect(try home.links() == ["lo", "br0", "out0"])
    }

    @Test func `without a name the kernel gives one, and it is told`() throws {
        var home = try NetworkHome()
        let root = try home.start(
            ["/bin/sleep", "98831"], address: "198.51.100.2", end: "out0", log: "tree.log")
        let images = try makeDirectory(in: home.directory)
        #expect(poll(until: now() + 10) { text(of: "/proc/\(root)/comm") == "sleep\n" })
        #expect(try home.crplan(["dump", "-t", "\(root)", "-D", images]).ending == .exit(0))
        _ = wait(for: root, until: now() + 10)
        #expect(poll(until: now() + 10) { (try? home.links()) == ["lo", "br0"] })
        let restored = try home.crplan(["restore", "-D", images, "-d", "-v4"])
        #expect(restored.ending == .exit(0), "\(restored.output)")
        let made = try home.links().subtracting(["lo", "br0"])
        #expect(made.count == 1)
        #expect(restored.output.contains("has its outer end in \(made.first ?? "?")"), "\(restored.output)")
    }

    @Test func `a policy names the outer end and its bridge`() throws {
        var home = try NetworkHome()
        let root = try home.start(
            ["/bin/sleep", "98832"], address: "198.51.100.2", end: "out0", log: "tree.log")
        #expect(poll(until: now() + 10) { text(of: "/proc/\(root)/comm") == "sleep\n" })
        let policy = home.directory + "/policy.yaml"
        let allow = "allow: {veth: [{inner: eth0, outer: back0, bridge: br0}]}"
        let lines = [
            "version: 1", "name: linked", "select: [{pid: \(root)}]", "dump: {after: kill}", allow,
            "store: {path: \(home.directory)/store}",
        ]
        try write(lines.joined(separator: "\n") + "\n", to: policy)
        let plan = try home.crplan(["plan", policy])
        #expect(plan.ending == .exit(0), "\(plan.output)")
        #expect(plan.output.contains("veth eth0, its outer end made anew at restore as back0"))
        let apply = try home.crplan(["apply", policy])
        #expect(apply.ending == .exit(0), "\(apply.output)")
        _ = wait(for: root, until: now() + 10)
        let place = "\(home.directory)/store/linked"
        let target = names(in: place).first { $0.hasPrefix("sleep") } ?? ""
        let restored = try home.crplan([
            "restore", "linked/\(target)/latest", "--store", "\(home.directory)/store",
        ])
        #expect(restored.ending == .exit(0), "\(restored.output)")
        #expect(
            restored.output.contains("link eth0 of the tree has its outer end in back0"), "\(restored.output)"
        )
        #expect(try home.expect("ip -o link show back0").contains("master br0"))
    }

    private static let echo = """
        import socket
        s = socket.create_server(("198.51.100.2", 7001))
        c = s.accept()[0]
        while data := c.recv(4096): c.sendall(data)
        """
    private static let caller = """
        import os, socket, sys, time
        for _ in range(200):
            try: s = socket.create_connection(("198.51.100.2", 7001), 2); break
            except OSError: time.sleep(0.05)
        s.settimeout(40)
        n = 0
        while not os.path.exists("stop"):
            line = f"{n:8}".encode()
            s.sendall(line)
            got = b""
            while len(got) < 8:
                more = s.recv(8 - len(got))
                if not more: sys.exit("the end")
                got += more
            if got != line: sys.exit(f"{got} is not {line}")
            n += 1
            with open("count.new", "w") as out: out.write(str(n))
            os.rename("count.new", "count")
            time.sleep(0.005)
        print("pass", flush=True)
        """

    @Test func `one end of a connection between two namespaces is away for a while`() throws {
        var home = try NetworkHome()
        let python = "/usr/bin/python3"
        let tree = try home.start(
            [python, "-c", Self.echo], address: "198.51.100.2", end: "near0", log: "tree.log")
        let peer = try home.start(
            [python, "-c", Self.caller], address: "198.51.100.3", end: "far0", log: "peer.log")
        func count(_ home: borrowing NetworkHome) -> Int { Int(home.text("count")) ?? 0 }
        #expect(poll(until: now() + 20) { count(home) > 10 }, "\(home.text("peer.log"))")
        // It runs on, with its connection.
        let images = try makeDirectory(in: home.directory)
        let running = try home.crplan(["dump", "-t", "\(tree)", "-D", images, "--tcp-established", "-R"])
        #expect(running.ending == .exit(0), "\(running.output)")
        let before = count(home)
        #expect(poll(until: now() + 20) { count(home) > before + 10 }, "\(home.text("peer.log"))")

        let dump = try home.crplan(["dump", "-t", "\(tree)", "-D", images, "--tcp-established"])
        #expect(dump.ending == .exit(0), "\(dump.output)")
        _ = wait(for: tree, until: now() + 10)
        let at = count(home)
        let restored = try home.crplan(["restore", "-D", images, "-d", "--veth-pair", "eth0=near0@br0"])
        #expect(restored.ending == .exit(0), "\(restored.output)")
        #expect(poll(until: now() + 30) { count(home) > at + 10 }, "\(at) \(home.text("peer.log"))")
        try write("", to: home.directory + "/stop")
        #expect(wait(for: peer, until: now() + 20) == .exit(0), "\(home.text("peer.log"))")
        #expect(home.text("peer.log").hasSuffix("pass\n"), "\(home.text("peer.log"))")
    }

    @Test(arguments: [
        "the network namespace is built", "sockets made", "all is there", "before unlocking",
    ])
    func `a restore that is killed leaves no link`(_ place: String) throws {
        var home = try NetworkHome()
        let (root, images) = try takeServer(in: &home)
        let restore = ["restore", "-D", images, "-d", "--external", "veth[eth0]:out0@br0"]
        let trapped = try home.run(
            ["/usr/bin/env", "CRPLAN_STOP_AT=trap@=\(place)", BuiltPrograms.crplan] + restore)
        #expect(trapped.ending != .exit(0))
        // A root that was made and died is a child of ours.
        _ = wait(for: root, until: now() + 10)
        #expect(poll(until: now() + 10) { (try? home.links()) == ["lo", "br0"] })
        #expect(try home.crplan(restore).ending == .exit(0))
        #expect(try asks(home) == "it is me")
    }
}
