import PolicyModel
import Testing

@testable import CREngine

/// The conditions of `dump.after: leave-running`, each with the object that violates it.
@Suite struct LeaveRunningRulesTests {
    private func policy(_ filesystem: DumpSettings.Filesystem?) -> Policy {
        var policy = Policy(name: "beside")
        policy.dump.after = .leaveRunning
        policy.dump.filesystem = filesystem
        return policy
    }

    private func findings(_ policy: Policy, _ snapshot: Snapshot) -> [Finding] {
        DumpPlanner.findings(policy, snapshot, protected: [])
    }

    private func writing(_ file: inout OpenFile) { file.info.flags = 0o2 }

    private func written() -> Snapshot {
        var snapshot = ordinarySnapshot()
        addFile(&snapshot, fd: 3, link: "/srv/out", mode: 0o100644, inode: 50, change: writing)
        return snapshot
    }

    private func withMapping(_ snapshot: inout Snapshot, flags: AreaFlags, protection: UInt32 = 1) {
        snapshot.mappedFiles = [
            MappedFile(
                id: MappedFileID(rawValue: 0), path: "/srv/map", device: DeviceNumber(254, 0), inode: 60,
                facts: FileFacts(device: DeviceNumber(254, 0), inode: 60, mode: 0o100644), reach: .same,
                pid: PID(100), start: 0x5000, end: 0x6000)
        ]
        snapshot.tasks[0].areas.append(
            VMA(
                start: 0x5000, end: 0x6000, protection: protection, isShared: true,
                file: MappedFileID(rawValue: 0), flags: flags, kind: .file))
    }

    @Test func `a file open for writing that nothing keeps in step blocks, by descriptor`() throws {
        let found = findings(policy(nil), written())
        let finding = try #require(found.first)
        #expect(found.count == 1)
        #expect(finding.code == .fileGoesOn && finding.severity == .block)
        #expect(finding.object.pid == PID(100) && finding.object.fd == 3 && finding.object.path == "/srv/out")
        #expect(finding.remedy == "dump: {filesystem: hook}")
    }

    @Test func `unsafe-ignore names each file as a warning, once`() {
        var snapshot = written()
        addFile(&snapshot, fd: 4, link: "/srv/out", mode: 0o100644, inode: 50, change: writing)
        addFile(&snapshot, fd: 5, link: "/srv/log", mode: 0o100644, inode: 51, change: writing)
        let found = findings(policy(.unsafeIgnore), snapshot)
        #expect(found.map(\.severity) == [.warn, .warn])
        #expect(found.map(\.object.path) == ["/srv/out", "/srv/log"])
    }

    @Test func `a hook at the frozen stage keeps files, and without one it does not`() {
        var kept = policy(.hook)
        #expect(findings(kept, written()).map(\.severity) == [.block])
        var hook = Hook()
        hook.name = "snapshot"
        hook.at = .frozen
        kept.hooks = [hook]
        let found = findings(kept, written())
        #expect(found.map(\.severity) == [.info])
        #expect(found.first?.what == "/srv/out is open for writing, kept by hook \"snapshot\"")
    }

    @Test func `what a tree only reads, what travels with the images and other ends are in nobody's way`() {
        var snapshot = written()
        snapshot.openFiles[0].info.flags = 0
        #expect(findings(policy(nil), snapshot) == [])
        var deleted = written()
        deleted.openFiles[0].reach = .gone
        deleted.openFiles[0].facts?.links = 0
        #expect(findings(policy(nil), deleted).map(\.code) == [.ghostFile])
        for after in [DumpSettings.After.kill, .leaveStopped] {
            var policy = policy(nil)
            policy.dump.after = after
            #expect(findings(policy, written()) == [])
        }
    }

    @Test func `a shared mapping that can be written is a file open for writing`() {
        var snapshot = ordinarySnapshot()
        withMapping(&snapshot, flags: .mayWrite)
        #expect(findings(policy(nil), snapshot).map(\.code) == [.fileGoesOn])
        #expect(findings(policy(nil), snapshot).first?.object.address == 0x5000)
        var read = ordinarySnapshot()
        withMapping(&read, flags: [])
        #expect(findings(policy(nil), read) == [])
    }

    @Test func `a connection to the outside is denied, one within the tree is not`() {
        func snapshot(_ ends: [(InetEndpoint, InetEndpoint)]) -> Snapshot {
            var snapshot = ordinarySnapshot()
            for (index, end) in ends.enumerated() {
                let inode = UInt64(70 + index)
                addFile(
                    &snapshot, fd: Int32(3 + index), link: "socket:[\(inode)]", mode: 0o140777, inode: inode,
                    reach: .notAPath)
                var socket = SocketFacts(inode: inode, family: .tcp, protocolName: "TCP")
                socket.state = .established
                socket.local = "\(end.0)"
                socket.remote = "\(end.1)"
                (socket.localAddress, socket.localPort) = (end.0.address, end.0.port)
                (socket.remoteAddress, socket.remotePort) = (end.1.address, end.1.port)
                snapshot.sockets[inode] = socket
            }
            return snapshot
        }
        func end(_ last: UInt8, _ port: UInt16) -> InetEndpoint {
            InetEndpoint(address: [10, 0, 0, last], port: port)
        }
        let outside = snapshot([(end(1, 5), end(2, 80))])
        let found = findings(policy(.unsafeIgnore), outside).filter { $0.code == .connectionGoesOn }
        #expect(found.map(\.severity) == [.block])
        #expect(found.first?.object.fd == 3 && found.first?.object.peer == "10.0.0.2:80")
        #expect(found.first?.remedy == "dump: {established-tcp: allow}")

        let inside = snapshot([(end(1, 5), end(1, 6)), (end(1, 6), end(1, 5))])
        #expect(!findings(policy(.unsafeIgnore), inside).contains { $0.code == .connectionGoesOn })

        // Allowed by this key, it is told, and whether it may lead out of the tree is another key's matter.
        var allowing = policy(.unsafeIgnore)
        allowing.dump.establishedTCP = .allow
        let told = findings(allowing, outside)
        #expect(told.map(\.code) == [.tcpEstablished, .connectionGoesOn])
        #expect(told.map(\.severity) == [.block, .warn])
        allowing.allow.tcpEstablished = .all
        #expect(findings(allowing, outside).map(\.severity) == [.allowed, .warn])
    }

    // MARK: Watchdogs

    private func watched(_ seconds: UInt64) -> Snapshot {
        var snapshot = ordinarySnapshot()
        snapshot.tasks[0].watchdog = WatchdogRequest(microseconds: seconds * 1_000_000)
        return snapshot
    }

    @Test(
        arguments: [
            (nil, .abort, .block), (.seconds(9), .abort, .block), (.seconds(3), .warn, .block),
            (.seconds(6), .abort, .warn), (.seconds(3), .abort, nil),
        ] as [(Duration?, DumpSettings.OnBudget, Finding.Severity?)])
    func `a pause that a watchdog of 8 s would not bear is refused`(
        _ budget: Duration?, _ excess: DumpSettings.OnBudget, _ severity: Finding.Severity?
    ) {
        var policy = policy(.unsafeIgnore)
        policy.dump.freezeBudget = budget
        policy.dump.onBudget = excess
        let found = findings(policy, watched(8))
        #expect(found.map(\.code) == (severity == nil ? [] : [.watchdog]))
        #expect(found.first?.severity == severity)
        #expect(found.first.map { $0.remedy == "dump: {freeze-budget: 4000ms, on-budget: abort}" } ?? true)
    }

    @Test func `a tree that is killed is warned of its watchdog, in case that the dump fails`() {
        #expect(findings(Policy(name: "kill"), watched(8)).map(\.severity) == [.warn])
    }

    @Test func `the interval is the environment's, for the process it is meant for`() {
        func request(_ entries: String...) -> UInt64? {
            WatchdogRequest.of(42, environment: Array(entries.joined(separator: "\0").utf8))?.microseconds
        }
        #expect(request("A=1", "WATCHDOG_USEC=2000000", "WATCHDOG_PID=42") == 2_000_000)
        #expect(request("WATCHDOG_USEC=2000000") == 2_000_000)
        #expect(request("WATCHDOG_PID=43", "WATCHDOG_USEC=2000000") == nil)
        #expect(request("WATCHDOG_USEC=0") == nil && request("WATCHDOG_USEC=x") == nil && request() == nil)
        #expect(request("XWATCHDOG_USEC=5") == nil)
    }

    @Test func `a hardware watchdog blocks whatever becomes of the tree`() {
        var snapshot = ordinarySnapshot()
        addFile(&snapshot, fd: 3, link: "/dev/watchdog0", mode: 0o020600) {
            $0.facts?.represents = DeviceNumber(248, 0)
        }
        #expect(findings(Policy(name: "kill"), snapshot).map(\.code) == [.watchdogDevice])
    }

    @Test func `a budget for a tree that does not run on is told to have no effect`() {
        var policy = Policy(name: "kill")
        policy.dump.freezeBudget = .seconds(1)
        let found = DumpPlanner.policyFindings(policy, count: 1)
        #expect(found.map(\.code) == [.budgetWithoutPause] && found.map(\.severity) == [.warn])
        policy.dump.after = .leaveRunning
        #expect(DumpPlanner.policyFindings(policy, count: 1) == [])
    }

    @Test func `copy and append-only block by name, hook and unsafe-ignore do not`() {
        for (filesystem, isBlocked) in [
            (DumpSettings.Filesystem.copy, true), (.appendOnly, true), (.hook, false), (.unsafeIgnore, false),
        ] {
            let found = DumpPlanner.policyFindings(policy(filesystem), count: 1)
            #expect(found.map(\.object.key) == (isBlocked ? ["dump.filesystem"] : []))
        }
    }
}
