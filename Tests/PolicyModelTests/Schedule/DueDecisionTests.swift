import Testing

@testable import PolicyModel

@Suite struct DueDecisionTests {
    private func decide(
        _ cron: String, _ catchUp: ScheduleSettings.CatchUp, now: String, answered: String?
    ) throws -> DueDecision {
        var settings = ScheduleSettings()
        settings.cron = try CronExpression(parsing: cron)
        settings.catchUp = catchUp
        let schedule = try #require(ScheduleTimes(settings, zone: .utc, seed: 0))
        return schedule.decision(at: try moment(now), answered: try answered.map(moment))
    }

    @Test func `a time is due when it comes and is answered once`() throws {
        let due = DueDecision.due(try moment("2026-01-01T03:00:00Z"))
        #expect(try decide("0 3 * * *", .none, now: "2026-01-01T02:59:59Z", answered: nil) == .notDue)
        #expect(try decide("0 3 * * *", .none, now: "2026-01-01T03:00:00Z", answered: nil) == due)
        #expect(try decide("0 3 * * *", .none, now: "2026-01-01T03:01:59Z", answered: nil) == due)
        let answered = "2026-01-01T03:00:00Z"
        #expect(try decide("0 3 * * *", .none, now: "2026-01-01T03:01:00Z", answered: answered) == .notDue)
        #expect(try decide("0 3 * * *", .once, now: "2026-01-01T03:01:00Z", answered: answered) == .notDue)
    }

    @Test func `of several that are due the newest counts, and the others are answered with it`() throws {
        let answered = "2026-01-01T02:58:30Z"
        let found = try decide("* * * * *", .none, now: "2026-01-01T03:00:10Z", answered: answered)
        #expect(found == .due(try moment("2026-01-01T03:00:00Z")))
    }

    @Test func `a missed time is made up for only with catch-up, and only after a first run`() throws {
        let answered = "2026-01-01T03:00:01Z"
        let now = "2026-01-04T10:00:00Z"
        #expect(try decide("0 3 * * *", .none, now: now, answered: answered) == .notDue)
        let missed = DueDecision.madeUp(since: try moment("2026-01-02T03:00:00Z"))
        #expect(try decide("0 3 * * *", .once, now: now, answered: answered) == missed)
        #expect(try decide("0 3 * * *", .once, now: now, answered: nil) == .notDue)
        #expect(try decide("0 3 * * *", .once, now: now, answered: "2026-01-04T03:00:00Z") == .notDue)
    }

    @Test func `a clock that was put back stops no schedule`() throws {
        let found = try decide(
            "*/5 * * * *", .once, now: "2026-01-01T03:00:30Z", answered: "2027-01-01T00:00:00Z")
        #expect(found == .due(try moment("2026-01-01T03:00:00Z")))
    }
}
