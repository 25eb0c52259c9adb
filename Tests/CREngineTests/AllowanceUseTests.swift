import FoundationEssentials
import PolicyModel
import Testing

@testable import CREngine

/// Which allowances are reported as unused.
@Suite struct AllowanceUseTests {
    private func unused(
        _ snapshot: Snapshot, _ change: (inout Allowances) throws -> Void
    ) rethrows -> [String] {
        var allow = Allowances()
        try change(&allow)
        var use = AllowanceUse(allow)
        use.look(at: snapshot, Scanner.scan(snapshot, allow: allow))
        return use.unused
    }

    private func everything(_ allow: inout Allowances) {
        allow.shellJob = true
        allow.extUnixSockets = .all
        allow.evasiveDevices = .all
        allow.linkRemap = true
        allow.ghostLimit = .auto
        allow.tcpEstablished = .all
        allow.tcpInFlight = .skip
        allow.stdio = [StdioRule()]
        allow.extPipes = .null
        allow.fileLocks = .owned
        allow.fsnotify = .drop
        allow.extMountMap = .auto
        allow.veth = [VethRule()]
        allow.external = ["dev[8/1]:data"]
    }

    @Test func `what nothing needs is unused, and what is denied is not told of`() {
        #expect(unused(ordinarySnapshot()) { _ in } == [])
        #expect(
            unused(ordinarySnapshot(), everything) == [
                "allow.shell-job", "allow.ext-unix-sk", "allow.evasive-devices", "allow.link-remap",
                "allow.ghost-limit", "allow.tcp-established", "allow.tcp-in-flight", "allow.stdio[0]",
                "allow.ext-pipes", "allow.file-locks", "allow.fsnotify", "allow.ext-mount-map", "allow.veth",
                "allow.external",
            ])
    }

    @Test func `an allowance is used by what it speaks of, whatever this build makes of that`() {
        var snapshot = ordinarySnapshot()
        snapshot.tasks[0].sid = PID(50)
        snapshot.outsideLeaders[PID(50)] = OutsideProcess(pid: PID(50), comm: "bash", isAlive: true)
        snapshot.outsideHolders[77] = [
            OutsideHolder(pid: PID(50), comm: "bash", fd: 1, canRead: true, canWrite: false)
        ]
        addFile(&snapshot, fd: 5, link: "pipe:[77]", mode: 0o010600, inode: 77, reach: .notAPath)
        let left = unused(snapshot, everything)
        #expect(!left.contains("allow.shell-job") && !left.contains("allow.ext-pipes"))
        #expect(left.contains("allow.stdio[0]") && left.contains("allow.file-locks"))
    }

    @Test func `of rules the first that fits is used, and the others are not`() {
        var snapshot = ordinarySnapshot()
        var socket = SocketFacts(inode: 5, family: .tcp, protocolName: "TCP")
        socket.state = .established
        socket.remote = "203.0.113.9:443"
        socket.remoteAddress = [203, 0, 113, 9]
        socket.remotePort = 443
        snapshot.sockets[5] = socket
        addFile(&snapshot, fd: 3, link: "socket:[5]", mode: 0o140777, inode: 5, reach: .notAPath)
        var journal = SocketFacts(inode: 6, family: .unix, protocolName: "UNIX")
        journal.type = 2
        journal.peerInode = 9
        journal.peerName = "/run/systemd/journal/socket"
        snapshot.sockets[6] = journal
        addFile(&snapshot, fd: 4, link: "socket:[6]", mode: 0o140777, inode: 6, reach: .notAPath)
        addFile(&snapshot, fd: 1, link: "pipe:[77]", mode: 0o010600, inode: 77, reach: .notAPath)
        snapshot.outsideHolders[77] = [
            OutsideHolder(pid: PID(50), comm: "tee", fd: 0, canRead: true, canWrite: false)
        ]
        let left = unused(snapshot) { allow in
            var here = TCPRule()
            here.peer = IPNetwork("127.0.0.0/8")
            var there = TCPRule()
            there.peerPort = PortSet([443...443])
            there.action = .deny
            allow.tcpEstablished = .rules([here, there, TCPRule()])
            var stream = UnixSocketRule()
            stream.type = .stream
            var other = UnixSocketRule()
            other.path = Glob("/run/dbus/*")
            var own = UnixSocketRule()
            own.path = Glob("/run/systemd/journal/*")
            allow.extUnixSockets = .rules([stream, other, own])
            var terminal = StdioRule()
            terminal.kind = .tty
            var pipe = StdioRule()
            pipe.kind = .pipe
            allow.stdio = [terminal, pipe]
        }
        #expect(
            left == [
                "allow.ext-unix-sk[0]", "allow.ext-unix-sk[1]", "allow.tcp-established[0]",
                "allow.tcp-established[2]", "allow.stdio[0]",
            ])
    }

    @Test func `a plan tells of unused allowances by their key`() throws {
        var policy = Policy(name: "unused")
        policy.allow.linkRemap = true
        let setting = DumpPlanner.Setting(
            host: .collect(), now: .init(timeIntervalSince1970: 0), examined: 1, findings: [], protected: [])
        let plan = try DumpPlanner.plan(policy, [.init(snapshot: ordinarySnapshot())], setting)
        #expect(plan.findings.map(\.code) == [.unusedAllowance])
        #expect(plan.findings.map(\.object.key) == ["allow.link-remap"])
        #expect(plan.ready.count == 1)
        #expect(try DumpPlanner.plan(policy, [], setting).findings.isEmpty)
    }
}
