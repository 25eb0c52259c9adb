import Testing

@testable import PolicyModel

@Suite struct CalendarExpressionTests {
    private func lines(_ cron: String, _ zone: String = "UTC", isHostZone: Bool = false) throws -> [String]? {
        var settings = ScheduleSettings()
        settings.cron = try CronExpression(parsing: cron)
        let schedule = try #require(ScheduleTimes(settings, zone: try Zones.named(zone), seed: 0))
        let now = try moment("2026-11-24T00:00:00Z")
        return CalendarExpressions(schedule, isHostZone: isHostZone, now: now)?.lines
    }

    @Test func `one line, or one for each side of the day rule`() throws {
        #expect(try lines("*/15 * * * *") == ["*-*-* *:0,15,30,45:00 UTC"])
        #expect(try lines("5 8-18 * * mon-fri") == ["Mon,Tue,Wed,Thu,Fri *-*-* 8..18:5:00 UTC"])
        #expect(try lines("0 3 1,15 1-3,7 *", isHostZone: true) == ["*-1..3,7-1,15 3:0:00"])
        #expect(try lines("0 3 13 * fri") == ["Fri *-*-* 3:0:00 UTC", "*-*-13 3:0:00 UTC"])
        #expect(try lines("0 3 */10 * fri") == ["Fri *-*-1,11,21,31 3:0:00 UTC"])
        #expect(try lines("0 3 1-31 * fri") == ["*-*-* 3:0:00 UTC"])
    }

    @Test func `there is none where systemd would treat a change of the clocks otherwise`() throws {
        #expect(try lines("30 2 * * *", "Europe/Berlin") == nil)
        #expect(try lines("30 2 * * mon-fri", "Europe/Berlin") != nil)
        #expect(try lines("30 3 * * *", "Europe/Berlin") == ["*-*-* 3:30:00 Europe/Berlin"])
        #expect(try lines("*/5 * * * *", "Europe/Berlin") == nil)
        #expect(try lines("*/5 9 * * *", "Europe/Berlin") != nil)
        #expect(try lines("*/5 * * * *", "Asia/Kathmandu") != nil)
    }
}
