import Testing

@testable import PolicyModel

@Suite struct ScheduleTimesTests {
    private func times(
        _ cron: String, _ zone: String = "UTC", from: String, _ count: Int = 4
    ) throws -> [String] {
        let zone = try Zones.named(zone)
        let expression = try CronExpression(parsing: cron)
        var time = try moment(from)
        var found: [String] = []
        while found.count < count, let next = expression.next(after: time, in: zone) {
            found.append(zone.text(of: next))
            time = next
        }
        return found
    }

    /// By hand: from a time on, what each zone's clocks make of each expression.
    static let clockChanges: [(String, String, String, [String])] = [
        // A fixed time in the gap from 02:00 to 03:00 comes once, right after it.
        (
            "30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z",
            ["2026-03-28T02:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"]
        ),
        // Two in the gap are one.
        (
            "0,30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z",
            ["2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00"]
        ),
        // The gap's end is itself a time: still once.
        (
            "0 2,3 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z",
            ["2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00", "2026-03-30T03:00:00+02:00"]
        ),
        // A fixed time that is shown twice comes the first time only.
        (
            "30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z",
            ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"]
        ),
        // A rhythm knows no gap and goes on when the clocks are put back.
        (
            "30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z",
            ["2026-03-29T01:30:00+01:00", "2026-03-29T03:30:00+02:00", "2026-03-29T04:30:00+02:00"]
        ),
        (
            "30 * * * *", "Europe/Berlin", "2026-10-24T23:45:00Z",
            ["2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00", "2026-10-25T03:30:00+01:00"]
        ),
        (
            "*/20 2 * * *", "Europe/Berlin", "2026-10-25T00:15:00Z",
            ["2026-10-25T02:20:00+02:00", "2026-10-25T02:40:00+02:00", "2026-10-25T02:00:00+01:00"]
        ),
        // From amid the second showing the first one is over.
        ("15,45 2 * * *", "Europe/Berlin", "2026-10-25T01:20:00Z", ["2026-10-26T02:15:00+01:00"]),
        (
            "0 2 * * *", "America/New_York", "2026-03-07T12:00:00Z",
            ["2026-03-08T03:00:00-04:00", "2026-03-09T02:00:00-04:00"]
        ),
        (
            "0 1 * * *", "America/New_York", "2026-10-31T12:00:00Z",
            ["2026-11-01T01:00:00-04:00", "2026-11-02T01:00:00-05:00"]
        ),
        // Half an hour: on 2026-04-05 from 02:00 back to 01:30, on 2026-10-04 from 02:00 to 02:30.
        (
            "45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00:00Z",
            ["2026-04-05T01:45:00+11:00", "2026-04-06T01:45:00+10:30"]
        ),
        (
            "*/15 1 * * *", "Australia/Lord_Howe", "2026-04-04T14:20:00Z",
            [
                "2026-04-05T01:30:00+11:00", "2026-04-05T01:45:00+11:00", "2026-04-05T01:30:00+10:30",
                "2026-04-05T01:45:00+10:30", "2026-04-06T01:00:00+10:30",
            ]
        ),
        (
            "15,45 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00Z",
            ["2026-10-04T02:30:00+11:00", "2026-10-04T02:45:00+11:00", "2026-10-05T02:15:00+11:00"]
        ),
        // No changes, a quarter of an hour beside the others.
        (
            "0 0 * * *", "Asia/Kathmandu", "2026-03-28T18:14:59Z",
            ["2026-03-29T00:00:00+05:45", "2026-03-30T00:00:00+05:45"]
        ),
        // A day that was left out whole: the times of 2011-12-30 fall into one gap.
        (
            "0 12 * * *", "Pacific/Apia", "2011-12-29T12:00:00Z",
            ["2011-12-29T12:00:00-10:00", "2011-12-31T00:00:00+14:00", "2011-12-31T12:00:00+14:00"]
        ),
        // Years after the last line of the table.
        (
            "30 2 * * sun", "Europe/Berlin", "2099-03-27T00:00:00Z",
            ["2099-03-29T03:00:00+02:00", "2099-04-05T02:30:00+02:00"]
        ),
    ]

    @Test(arguments: clockChanges)
    func `changes of the clocks`(cron: String, zone: String, from: String, expected: [String]) throws {
        #expect(try times(cron, zone, from: from, expected.count) == expected)
    }

    /// By hand: what the two day fields mean together.
    static let dayRule: [(String, String, [String])] = [
        // Neither begins with a star: one of them is enough.
        (
            "0 0 13 * fri", "2026-02-01T00:00:00Z",
            ["2026-02-06", "2026-02-13", "2026-02-20", "2026-02-27", "2026-03-06", "2026-03-13"]
        ),
        ("0 0 29 2 mon", "2027-02-20T00:00:00Z", ["2027-02-22", "2028-02-07", "2028-02-14", "2028-02-21"]),
        ("0 0 30 2 mon", "2027-02-20T00:00:00Z", ["2027-02-22", "2028-02-07"]),
        // One begins with a star: both must agree, with a step too.
        ("0 0 */10 * mon", "2026-01-01T00:00:00Z", ["2026-05-11", "2026-06-01", "2026-08-31", "2026-09-21"]),
        ("0 0 29 2 */7", "2026-01-01T00:00:00Z", ["2032-02-29", "2060-02-29", "2088-02-29", "2128-02-29"]),
        ("0 0 29 2 *", "2096-02-29T00:00:00Z", ["2104-02-29", "2108-02-29"]),
        ("0 0 1-31 1 sun", "2026-12-30T00:00:00Z", ["2027-01-01", "2027-01-02", "2027-01-03"]),
    ]

    @Test(arguments: dayRule)
    func `the two kinds of days`(cron: String, from: String, expected: [String]) throws {
        let found = try times(cron, from: from, expected.count)
        #expect(found == expected.map { "\($0)T00:00:00+00:00" })
    }

    @Test func `a duration counts from 1970, whatever the zone and the last run`() throws {
        var settings = ScheduleSettings()
        settings.every = .seconds(7 * 3600)
        let schedule = try #require(ScheduleTimes(settings, zone: .utc, seed: 0))
        let start = UnixTime(1_795_000_000)
        let found = schedule.next(3, after: start)
        #expect(found.allSatisfy { $0.seconds % 25200 == 0 })
        #expect(found[0] > start && found[0] - start <= 25200 && found[2] - found[0] == 50400)
        #expect(schedule.next(after: found[0]) == found[1])
    }

    @Test func `jitter puts all times off alike, by less than it says`() throws {
        var settings = ScheduleSettings()
        settings.cron = try CronExpression(parsing: "0 3 * * *")
        settings.jitter = .seconds(600)
        let schedule = try #require(ScheduleTimes(settings, zone: .utc, seed: 123_456_789_123))
        #expect(schedule.delay == 123)
        let found = schedule.next(2, after: try moment("2026-01-01T03:02:02Z"))
        #expect(found == [try moment("2026-01-01T03:02:03Z"), try moment("2026-01-02T03:02:03Z")])
        let delays = (0..<1000).map { settings.delay(seed: UInt64($0) &* 0x9e37_79b9_7f4a_7c15) }
        #expect(delays.allSatisfy { (0..<600).contains($0) } && Set(delays).count > 20)
        settings.jitter = .milliseconds(900)
        #expect(settings.delay(seed: 17) == 0)
    }
}
