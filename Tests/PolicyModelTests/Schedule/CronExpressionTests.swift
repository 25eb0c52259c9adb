import Testing

@testable import PolicyModel

@Suite struct CronExpressionTests {
    @Test func `fields become sets of times`() throws {
        let cron = try CronExpression(parsing: "*/15 8-18/2 1,15 jan,Dec mon-fri")
        #expect(cron.minutes == 1 << 0 | 1 << 15 | 1 << 30 | 1 << 45)
        #expect(cron.hours == 1 << 8 | 1 << 10 | 1 << 12 | 1 << 14 | 1 << 16 | 1 << 18)
        #expect(cron.days == 1 << 1 | 1 << 15)
        #expect(cron.months == 1 << 1 | 1 << 12)
        #expect(cron.weekdays == 0b0111110)
        #expect(!cron.anyDay && !cron.anyWeekday)
    }

    @Test func `Sunday is 0 and 7, and a nickname is what it stands for`() throws {
        #expect(try CronExpression(parsing: "0 0 * * 7").weekdays == 1)
        #expect(try CronExpression(parsing: "0 0 * * 5-7").weekdays == 0b1100001)
        let hourly = try CronExpression(parsing: "@hourly")
        #expect(hourly.minutes == 1 && hourly.hours == (1 << 24) - 1 && hourly.anyDay && hourly.anyWeekday)
    }

    @Test(arguments: [
        ("60 * * * *", "the minute '60' is not in 0-59", 0),
        ("* * 0 * *", "the day of the month '0' is not in 1-31", 4),
        ("* * * foo *", "the month 'foo' is not in 1-12 or a name like jan", 6),
        ("* 5-1 * * *", "the hour '5-1' runs backwards; write two ranges", 2),
        ("5/10 * * * *", "the minute '5/10' has a step without a range; write '5-59/10'", 0),
        ("*/0 * * * *", "the minute has the step '0', which is not a number from 1 on", 0),
        ("1,,2 * * * *", "the minute '' is not one", 2), ("0 0 31 2,4 *", "this date never comes", 4),
        ("@reboot", "@reboot is not a time; use catch-up: once to make up for a missed run", 0),
    ])
    func `a fault tells its field and its place`(text: String, reason: String, offset: Int) {
        let error = #expect(throws: CronExpression.SyntaxError.self) { try CronExpression(parsing: text) }
        #expect(error?.reason == reason)
        #expect(error?.offset == offset)
    }

    @Test func `a rare date comes, and so does a weekday beside a date that does not`() throws {
        _ = try CronExpression(parsing: "0 0 29 2 *")
        _ = try CronExpression(parsing: "0 0 30 2 mon")
    }
}
