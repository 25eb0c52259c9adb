/// Cron times as systemd's OnCalendar= says them. See systemd.time(7).
package struct CalendarExpressions: Sendable, Equatable {
    /// One for each side of the day rule; a time is meant when any of them means it.
    package var lines: [String]

    /// Nil where systemd would elapse at other times than ours.
    ///
    /// That is so beside changes of the clocks: in a gap systemd skips a time that we make up for, and where clocks are
    /// put back it passes over the repeated times of a rhythm. `now` is where the search for such changes begins.
    package init?(_ times: ScheduleTimes, isHostZone: Bool, now: UnixTime) {
        guard case .cron(let cron) = times.trigger, times.delay == 0,
            !CalendarExpressions.differs(cron, times.zone, from: now)
        else { return nil }
        let clock =
            "\(CalendarExpressions.list(cron.hours, 0...23)):"
            + "\(CalendarExpressions.list(cron.minutes, 0...59)):00"
            + (isHostZone ? "" : " \(times.zone.name)")
        let month = CalendarExpressions.list(cron.months, 1...12)
        let day = CalendarExpressions.list(cron.days, 1...31)
        let weekdays = CalendarExpressions.weekdays(cron.weekdays)
        if cron.anyDay || cron.anyWeekday {
            lines = ["\(weekdays)*-\(month)-\(day) \(clock)"]
        } else if weekdays.isEmpty || day == "*" {
            lines = ["*-\(month)-* \(clock)"]
        } else {
            lines = ["\(weekdays)*-\(month)-* \(clock)", "*-\(month)-\(day) \(clock)"]
        }
    }

    /// Clock changes recur from year to year; after a cycle of weekdays and leap years no new kind of day comes.
    private static let years: Int64 = 28

    private static func differs(_ cron: CronExpression, _ zone: TimeZoneRules, from now: UnixTime) -> Bool {
        let end = now + years * 366 * WallTime.secondsADay
        var time = now
        while let change = zone.transition(after: time), change.time < end {
            let before = WallTime(change.time.seconds + change.before)
            let after = WallTime(change.time.seconds + change.after)
            if before < after, !cron.isRhythm, cron.meets(before..<after) { return true }
            if after < before, cron.isRhythm, cron.meets(after..<before) { return true }
            time = change.time
        }
        return false
    }

    /// `*`, or the numbers with runs as `a..b`.
    private static func list(_ set: UInt64, _ range: ClosedRange<Int>) -> String {
        let members = range.filter { set.has($0) }
        if members.count == range.count { return "*" }
        var parts: [String] = []
        var rest = members[...]
        while let low = rest.first {
            let run = rest.enumerated().prefix { $0.element == low + $0.offset }.count
            if run > 2 {
                parts.append("\(low)..\(low + run - 1)")
                rest = rest.dropFirst(run)
            } else {
                parts.append("\(low)")
                rest = rest.dropFirst()
            }
        }
        return parts.joined(separator: ",")
    }

    /// With a blank at the end; empty when every day is meant.
    private static func weekdays(_ set: UInt64) -> String {
        let names = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
        let members = [1, 2, 3, 4, 5, 6, 0].filter { set.has($0) }
        return members.count == 7 ? "" : members.map { names[$0] }.joined(separator: ",") + " "
    }
}
