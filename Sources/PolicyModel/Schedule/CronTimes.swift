/// The times that a cron expression means, on the wall and then in a zone. The rules are told in docs/schedules.md.
extension CronExpression {
    /// A minute or an hour that begins with `*`: the times are a rhythm, and follow the clocks when these are changed.
    var isRhythm: Bool { anyMinute || anyHour }

    /// Whether a day is one of those meant, by the rule of crontab(5).
    func matches(_ day: CivilDay) -> Bool {
        let (_, month, number) = day.date
        return months.has(month) && matches(number: number, weekday: day.weekday)
    }

    private func matches(number: Int, weekday: Int) -> Bool {
        anyDay || anyWeekday
            ? days.has(number) && weekdays.has(weekday) : days.has(number) || weekdays.has(weekday)
    }

    /// The first time on the wall at or after another; nil when there is none for as long as the calendar repeats.
    func next(from start: WallTime) -> WallTime? {
        let start = start.roundedUpToMinute
        if matches(start.day), let minute = firstMinute(from: start.minute) {
            return WallTime(start.day, minute: minute)
        }
        guard let day = nextDay(after: start.day), let minute = firstMinute(from: 0) else { return nil }
        return WallTime(day, minute: minute)
    }

    /// Goes by months and looks at the days of those meant only: a leap day on a Sunday is a few hundred steps away.
    private func nextDay(after day: CivilDay) -> CivilDay? {
        let start = CivilDay(number: day.number + 1).date
        var (year, month, firstNumber) = start
        while year <= start.year + CivilDay.yearsOfCycle {
            if months.has(month) {
                let first = CivilDay(year: year, month: month, day: 1)
                let length = CivilDay.length(year: year, month: month)
                for number in firstNumber..<max(firstNumber, length + 1)
                where matches(number: number, weekday: (first.weekday + number - 1) % 7) {
                    return CivilDay(number: first.number + Int64(number - 1))
                }
            }
            (year, month, firstNumber) = month == 12 ? (year + 1, 1, 1) : (year, month + 1, 1)
        }
        return nil
    }

    /// Of a day, at or after a minute of the day.
    private func firstMinute(from minute: Int) -> Int? {
        let hour = minute / 60
        if hours.has(hour), let found = minutes.first(from: minute % 60) { return hour * 60 + found }
        guard let later = hours.first(from: hour + 1), let found = minutes.first(from: 0) else { return nil }
        return later * 60 + found
    }

    /// The first moment after another one; nil when there is none.
    func next(after time: UnixTime, in zone: TimeZoneRules) -> UnixTime? {
        isRhythm ? nextOfRhythm(after: time, in: zone) : nextOfFixed(after: time, in: zone)
    }

    /// Each time on the wall once: right after the gap that it falls into, and the first time of two.
    private func nextOfFixed(after time: UnixTime, in zone: TimeZoneRules) -> UnixTime? {
        var start = WallTime(zone.wall(at: time).seconds + 1)
        while let wall = next(from: start) {
            let moment = zone.moment(of: wall)
            if moment > time { return moment }
            start = WallTime(wall.seconds + 1)
        }
        return nil
    }

    /// Whenever the clocks show such a time: never in a gap, and twice where they are put back.
    private func nextOfRhythm(after time: UnixTime, in zone: TimeZoneRules) -> UnixTime? {
        var start = time + 1
        while true {
            let offset = zone.offset(at: start)
            guard let wall = next(from: WallTime(start.seconds + offset)) else { return nil }
            let moment = UnixTime(wall.seconds - offset)
            guard let change = zone.transition(after: start), moment >= change.time else { return moment }
            // Clocks are put back by less than a day, so only a change that is near can bring an earlier time back.
            let isNear = change.time - start <= WallTime.secondsADay
            start = isNear ? change.time : max(change.time, moment - 2 * WallTime.secondsADay)
        }
    }

    /// Whether any of the times lies in a stretch of the wall, the end not included.
    func meets(_ stretch: Range<WallTime>) -> Bool {
        next(from: stretch.lowerBound).map { $0 < stretch.upperBound } ?? false
    }
}

extension UInt64 {
    /// Whether bit n is set.
    func has(_ bit: Int) -> Bool { self >> UInt64(bit) & 1 == 1 }

    /// The lowest bit that is set, of those from n on.
    func first(from bit: Int) -> Int? {
        guard bit < 64 else { return nil }
        let rest = self >> UInt64(bit)
        return rest == 0 ? nil : bit + rest.trailingZeroBitCount
    }
}
