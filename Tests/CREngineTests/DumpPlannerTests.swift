import FoundationEssentials
import PolicyModel
import Testing

@testable import CREngine

@Suite struct DumpPlannerTests {
    private let setting = DumpPlanner.Setting(
        host: HostFacts.collect(), now: Date(timeIntervalSince1970: 1_800_000_000), examined: 12,
        findings: [],
        protected: [PID(900)])

    private func policy() -> Policy {
        var policy = Policy(name: "solvers")
        var matcher = Matcher()
        matcher.comm = Glob("solver")
        policy.select = [matcher]
        return policy
    }

    @Test func `a tree without findings gets its steps in order`() throws {
        let plan = try DumpPlanner.plan(policy(), [.init(snapshot: ordinarySnapshot())], setting)
        let target = try #require(plan.targets.first)
        #expect(plan.ready.count == 1 && plan.blockerCount == 0)
        #expect(target.name.wholeMatch(of: /solver-[0-9a-f]{8}/) != nil)
        #expect(
            target.steps == [
                .freeze(root: PID(100)), .decideAgain, .dumpProcess(PID(100)),
                .publish(directory: "/var/lib/crplan/solvers/\(target.name)"), .kill(root: PID(100)),
            ])
        #expect(target.fingerprint.startTime == 5000)
    }

    @Test func `a blocked tree has no steps and does not block another`() throws {
        var blocked = ordinarySnapshot()
        addFile(&blocked, fd: 3, link: "anon_inode:[userfaultfd]", mode: 0o600, reach: .notAPath)
        var second = ordinarySnapshot()
        second.tasks[0].startTime = 6000
        let plan = try DumpPlanner.plan(
            policy(), [.init(snapshot: second), .init(snapshot: blocked)], setting)
        #expect(plan.targets.map(\.isBlocked) == [true, false])
        #expect(plan.targets[0].steps.isEmpty)
        #expect(plan.targets[1].name == plan.targets[0].name + ".2")
        #expect(plan.targets[1].findings.map(\.code) == [.sameName])
    }

    @Test func `the same values give the same plan, and JSON keeps it`() throws {
        var snapshot = ordinarySnapshot()
        addFile(&snapshot, fd: 3, link: "/dev/kvm", mode: 0o020600) {
            $0.facts?.represents = DeviceNumber(10, 232)
        }
        let plan = try DumpPlanner.plan(policy(), [.init(snapshot: snapshot)], setting)
        #expect(try DumpPlanner.plan(policy(), [.init(snapshot: snapshot)], setting) == plan)
        let copy = try JSONDecoder().decode(Plan.self, from: JSONEncoder().encode(plan))
        #expect(copy == plan)
        #expect(plan.schema == 1)
        #expect(plan.targets[0].findings.map(\.code) == [.kvm])
    }

    @Test func `protected processes, extents and limits block`() throws {
        var snapshot = ordinarySnapshot()
        var child = snapshot.tasks[0]
        child.pid = PID(900)
        child.parent = PID(100)
        child.sharing = .init(self: child.pid)
        snapshot.tasks.append(child)
        var policy = policy()
        policy.tree = .process
        policy.maxTargets = 0
        let plan = try DumpPlanner.plan(policy, [.init(snapshot: snapshot)], setting)
        #expect(plan.targets[0].findings.map(\.code) == [.protectedProcess, .outsideExtent])
        #expect(plan.isBlocked && plan.ready.isEmpty)
        #expect(plan.findings.map(\.code).contains(.tooManyTargets))
    }

    @Test func `a key without effect blocks by its name`() {
        var policy = policy()
        policy.dump.compress = .zstd
        let findings = DumpPlanner.policyFindings(policy, count: 1)
        #expect(findings.map(\.object.key) == ["dump.compress"])
        #expect(findings.allSatisfy { $0.severity == .block })
    }

    @Test func `a fingerprint tells what drifted`() throws {
        var snapshot = ordinarySnapshot()
        let before = try TreeFingerprint(snapshot, root: snapshot.tasks[0])
        #expect(before.drift(to: before) == [])
        addFile(&snapshot, fd: 3, link: "/etc/passwd", mode: 0o100644)
        let after = try TreeFingerprint(snapshot, root: snapshot.tasks[0])
        #expect(before.drift(to: after) == ["open descriptors changed"])
        snapshot.tasks[0].startTime += 1
        let other = try TreeFingerprint(snapshot, root: snapshot.tasks[0])
        #expect(before.drift(to: other) == ["another process has its pid"])
    }
}
