import PolicyModel
import Testing

@testable import CREngine

@Suite struct NearMissTests {
    private func process(_ pid: Int32, _ comm: String, user: UInt32, command: String = "") -> ProcessFacts {
        var facts = ProcessFacts(pid: PID(pid), parent: PID(1), startTime: 1, comm: comm)
        facts.user = user
        facts.commandLine = command
        return facts
    }

    private func find(_ processes: [ProcessFacts], limit: Int = 10, _ entries: [(inout Matcher) -> Void])
        -> (nearest: [NearMiss], count: Int)
    {
        var policy = Policy(name: "test")
        policy.select = entries.map { change in
            var matcher = Matcher()
            change(&matcher)
            return matcher
        }
        let list = ProcessList(processes: processes, ourselves: PID(1))
        return NearMiss.find(policy, from: list, names: .init(), limit: limit)
    }

    @Test func `those that meet the most keys come first, matches and strangers not at all`() {
        let found = find(
            [
                process(10, "solver", user: 7, command: "solver --x"), process(11, "solver", user: 0),
                process(12, "solver", user: 7), process(13, "other", user: 0),
            ],
            [
                {
                    $0.comm = Glob("solver")
                    $0.user = [.number(7)]
                    $0.cmdline = RegexPattern("--x")
                }
            ])
        #expect(found.nearest.map(\.process.pid.rawValue) == [12, 11])
        #expect(found.count == 2)
        #expect(found.nearest[0].met == ["comm", "user"])
        #expect(found.nearest[0].refusals.map(\.criterion.key) == ["cmdline"])
        #expect(found.nearest[1].refusals.map(\.value) == ["0", ""])
    }

    @Test func `no more than asked for are told, and of several entries the nearest`() {
        let found = find(
            [process(10, "a", user: 1), process(11, "a", user: 2)], limit: 1,
            [
                {
                    $0.comm = Glob("a")
                    $0.pid = 99
                },
                {
                    $0.comm = Glob("a")
                    $0.user = [.number(2)]
                    $0.pid = 99
                },
            ])
        #expect(found.count == 2)
        #expect(found.nearest.map(\.process.pid) == [PID(11)])
        #expect(found.nearest.map(\.entry) == [1])
    }
}
