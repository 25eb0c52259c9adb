extension TimeZoneRules {
    /// `2026-03-29T03:00:00+02:00`, with `Z` for UTC.
    package func text(of time: UnixTime) -> String {
        let (date, clock) = parts(of: time)
        let offset = offset(at: time)
        if offset == 0, self == .utc { return "\(date)T\(clock)Z" }
        return "\(date)T\(clock)\(TimeZoneRules.text(offset: offset))"
    }

    /// `Sun 2026-03-29 03:00:00 +02:00`
    package func readableText(of time: UnixTime) -> String {
        let (date, clock) = parts(of: time)
        let weekday = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"][wall(at: time).day.weekday]
        return "\(weekday) \(date) \(clock) \(TimeZoneRules.text(offset: offset(at: time)))"
    }

    private func parts(of time: UnixTime) -> (date: String, clock: String) {
        let wall = wall(at: time)
        let (year, month, day) = wall.day.date
        let second = wall.seconds - wall.day.number * WallTime.secondsADay
        let clock = [second / 3600, second / 60 % 60, second % 60].map { TimeZoneRules.padded($0, 2) }
        let date = "\(TimeZoneRules.padded(year, 4))-\(TimeZoneRules.padded(Int64(month), 2))-"
        return (date + TimeZoneRules.padded(Int64(day), 2), clock.joined(separator: ":"))
    }

    /// `+02:00`; the seconds of old local times are left out.
    private static func text(offset: Int64) -> String {
        let minutes = abs(offset) / 60
        return (offset < 0 ? "-" : "+") + padded(minutes / 60, 2) + ":" + padded(minutes % 60, 2)
    }

    private static func padded(_ number: Int64, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
