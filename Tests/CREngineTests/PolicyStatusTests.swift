import FoundationEssentials
import PolicyModel
import Testing

@testable import CREngine

@Suite struct PolicyStatusTests {
    private let policy: Policy
    private let times: ScheduleTimes
    private let start = Date(timeIntervalSince1970: 1_795_502_400)

    init() throws {
        var policy = Policy(name: "nightly")
        policy.schedule.every = .seconds(3600)
        self.policy = policy
        times = try #require(ScheduleTimes(policy.schedule, zone: .utc, seed: 0))
    }

    /// Minutes after a moment that is 40 minutes past the hour.
    private func at(_ minutes: Double) -> Date { start.addingTimeInterval(minutes * 60) }

    private func run(
        _ id: String, at minutes: Double, _ outcome: RunOutcome? = .done,
        targets: [(String, DumpReply.Outcome)] = [("solver", .dumped)]
    ) -> [HistoryEvent] {
        var events = [HistoryEvent(.started, at: at(minutes), run: id)]
        guard let outcome else { return events }
        for (name, result) in targets {
            var event = HistoryEvent(.target, at: at(minutes), run: id)
            event.target = name
            event.outcome = result.rawValue
            event.error = result == .dumped ? nil : "why"
            events.append(event)
        }
        var end = HistoryEvent(.finished, at: at(minutes), run: id)
        end.outcome = outcome.rawValue
        end.targets = targets.count
        return events + [end]
    }

    private func checkpoint(_ target: String, at minutes: Double) -> CheckpointFacts {
        CheckpointFacts(
            id: "nightly/\(target)/x", target: target, created: at(minutes), bytes: 4096, frozen: 1500,
            isNewestGood: true)
    }

    private func status(
        _ events: [HistoryEvent], _ checkpoints: [CheckpointFacts], isRunning: Bool = false, now: Double
    ) -> PolicyStatus {
        PolicyStatus(
            of: policy, times: times, events: events, checkpoints: checkpoints, isRunning: isRunning,
            now: at(now))
    }

    @Test func `a policy that never ran is unknown`() {
        let found = status([], [], now: 0)
        #expect(found.state == .unknown && found.reasons == ["it never ran"] && found.lastRun == nil)
    }

    @Test func `it is late past the next time and the grace, not before`() {
        let events = run("a", at: 20)
        let checkpoints = [checkpoint("solver", at: 20)]
        // The next time is 80, dump.timeout is 10 minutes, and 2 minutes are given besides.
        let fresh = status(events, checkpoints, now: 92)
        #expect(fresh.state == .ok && fresh.reasons.isEmpty && !fresh.targets[0].isLate)
        #expect(fresh.targets[0].bytes == 4096 && fresh.targets[0].frozen == 1500)
        let late = status(events, checkpoints, now: 92.1)
        #expect(late.state == .critical && late.isLate && late.targets[0].isLate)
        #expect(late.reasons[0] == "no run was begun when it was due")
        #expect(late.reasons[1] == "the newest good checkpoint of solver is late")
    }

    @Test func `runs that fail warn at first, and are critical once the checkpoint is late`() {
        let events = run("a", at: 20) + run("b", at: 80, .failed, targets: [("solver", .failed)])
        let checkpoints = [checkpoint("solver", at: 20)]
        let early = status(events, checkpoints, now: 85)
        #expect(early.state == .warning && early.reasons == ["the last run: failed: why"])
        #expect(early.targets[0].lastFailure?.outcome == "failed")
        #expect(status(events, checkpoints, now: 100).state == .critical)
    }

    @Test func `a program that ended is nobody's fault`() {
        let events = run("a", at: 20) + run("b", at: 80, targets: [])
        let found = status(events, [checkpoint("solver", at: 20)], now: 130)
        #expect(found.state == .ok)
        #expect(found.targets[0].isCurrent == false && found.targets[0].isLate == false)
    }

    @Test func `a target that never got a checkpoint is critical`() {
        let events = run("a", at: 20, .blocked, targets: [("solver", .blocked)])
        let found = status(events, [], now: 21)
        #expect(found.state == .critical && found.reasons[0] == "solver has no good checkpoint")
    }

    @Test func `a run without an end goes on, or died`() {
        let events = run("a", at: 20) + run("b", at: 80, nil)
        let checkpoints = [checkpoint("solver", at: 20)]
        #expect(status(events, checkpoints, isRunning: true, now: 81).lastRun?.outcome == "running")
        let died = status(events, checkpoints, now: 81)
        #expect(died.lastRun?.outcome == "died" && died.state == .warning)
    }

    @Test func `skipped runs are counted since the last one, and an unsafe end is critical`() {
        let skip = HistoryEvent(.skipped, at: at(81))
        let events = [skip] + run("a", at: 80, .unsafe, targets: [("solver", .unsafe)]) + [skip, skip]
        let found = status(events, [checkpoint("solver", at: 80)], now: 82)
        #expect(found.skipped == 2 && found.state == .critical)
    }
}
