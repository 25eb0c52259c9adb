import PolicyModel
import Testing

@testable import CREngine

/// `tree: session` and `tree: cgroup`: which processes become targets, and which of them together.
@Suite struct ProcessGroupsTests {
    private func process(
        _ pid: Int32, parent: Int32 = 1, session: Int32, cgroup: String = "/", comm: String = "a"
    ) -> ProcessFacts {
        var facts = ProcessFacts(pid: PID(pid), parent: PID(parent), startTime: UInt64(pid), comm: comm)
        facts.session = PID(session)
        facts.cgroups = ControlGroups(unified: cgroup)
        return facts
    }

    private func select(_ tree: TreeExtent, comm: String, _ processes: [ProcessFacts]) -> Selection {
        var policy = Policy(name: "test")
        var matcher = Matcher()
        matcher.comm = Glob(comm)
        policy.select = [matcher]
        policy.tree = tree
        let list = ProcessList(processes: processes, ourselves: PID(2))
        return Selection.select(policy, from: list, names: .init())
    }

    private func roots(_ selection: Selection) -> [String] {
        selection.matches.map { "\($0.process.pid) \($0.group ?? "alone")" }
    }

    @Test func `a match in a session stands for all of its topmost processes, frozen together`() {
        let selection = select(
            .session, comm: "it",
            [
                process(10, session: 10), process(11, parent: 10, session: 10, comm: "it"),
                process(12, session: 10), process(13, parent: 12, session: 13), process(20, session: 20),
            ])
        #expect(roots(selection) == ["10 session 10", "12 session 10"])
        #expect(selection.excluded == [PID(11): .nested(below: PID(10))])
        #expect(selection.matches.map(\.entry) == [nil, nil])
    }

    @Test func `a session with one topmost process is a tree alone`() {
        let selection = select(
            .session, comm: "it",
            [process(10, session: 10), process(11, parent: 10, session: 10, comm: "it")])
        #expect(roots(selection) == ["10 alone"])
    }

    @Test func `a control group holds who is in it and not who is below or above`() {
        let selection = select(
            .cgroup, comm: "it",
            [
                process(10, session: 10, cgroup: "/x", comm: "it"), process(11, session: 11, cgroup: "/x"),
                process(12, session: 12, cgroup: "/x/y"), process(13, session: 13, cgroup: "/"),
                process(14, parent: 11, session: 14, cgroup: "/z"),
            ])
        #expect(roots(selection) == ["10 cgroup /x", "11 cgroup /x"])
    }

    @Test func `where cgroup2 has nothing to say the v1 paths tell one group from another`() {
        var one = process(10, session: 10, comm: "it")
        one.cgroups = ControlGroups(unified: "/", legacy: ["/", "/batch/1"])
        var two = process(11, session: 11)
        two.cgroups = ControlGroups(unified: "/", legacy: ["/", "/batch/2"])
        var three = process(12, session: 12)
        three.cgroups = one.cgroups
        #expect(
            roots(select(.cgroup, comm: "it", [one, two, three]))
                == ["10 cgroup /, /batch/1", "12 cgroup /, /batch/1"])
    }

    @Test func `a root below a root of another group makes the two groups one`() {
        let selection = select(
            .cgroup, comm: "it",
            [
                process(10, session: 10, cgroup: "/x", comm: "it"),
                process(11, parent: 10, session: 10, cgroup: "/y", comm: "it"),
                process(12, session: 12, cgroup: "/y"),
            ])
        #expect(roots(selection) == ["10 cgroup /x", "12 cgroup /x"])
        #expect(selection.excluded == [PID(11): .nested(below: PID(10))])
    }

    @Test func `groups share their fate in a plan, with --only and with a saved plan`() throws {
        func target(_ name: String, _ pid: Int32, _ group: String?, isBlocked: Bool = false) throws
            -> PlannedTarget
        {
            var stat = TaskStat()
            stat.id = pid
            let root = TaskFacts(stat: stat)
            var snapshot = Snapshot(collector: PID(1), root: PID(pid), isFrozen: false)
            snapshot.tasks = [root]
            let findings = isBlocked ? [Finding(.program32, FindingObject(pid: PID(pid)), "it")] : []
            var target = PlannedTarget(
                name: name, pid: PID(pid), comm: "it", processes: 1, threads: 1, resident: 0,
                findings: findings, steps: [], fingerprint: try TreeFingerprint(snapshot, root: root))
            target.group = group
            return target
        }
        var targets = [
            try target("a", 1, "session 1"), try target("b", 2, "session 1", isBlocked: true),
            try target("c", 3, nil), try target("d", 4, "session 4"), try target("e", 5, "session 4"),
        ]
        TargetGroups.blockTogether(&targets)
        #expect(targets.map(\.isBlocked) == [true, true, false, false, false])
        #expect(targets[0].findings.map(\.code) == [.groupBlocked])
        #expect(TargetGroups.only(["d"], of: targets).map(\.name) == ["d", "e"])
        #expect(TargetGroups.only(["3"], of: targets).map(\.name) == ["c"])
        #expect(
            TargetGroups.drift(from: Array(targets[3...]), to: targets + [try target("f", 6, "session 4")])
                == ["session 4: f came to it"])
        #expect(TargetGroups.drift(from: targets, to: targets) == [])
        #expect(TargetGroups.units(targets.map(\.group)) == [[0, 1], [2], [3, 4]])
    }
}
