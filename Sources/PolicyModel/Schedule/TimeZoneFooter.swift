/// The rule of a time zone for all years, as the TZ variable of POSIX has it: `CET-1CEST,M3.5.0,M10.5.0/3`.
///
/// See tzset(3), and tzfile(5) for hours from -167 to 167.
struct TimeZoneFooter: Sendable, Equatable {
    /// When the clocks change, in each year.
    private enum Day: Sendable, Equatable {
        /// 1...365, as if there were no leap days.
        case julian(Int)
        /// 0...365.
        case ordinal(Int)
        /// The first to fourth, or with 5 the last, of a weekday (0 is Sunday) in a month.
        case weekday(month: Int, week: Int, weekday: Int)

        func day(in year: Int64) -> CivilDay {
            let newYear = CivilDay(year: year, month: 1, day: 1)
            switch self {
            case .julian(let day):
                let hasLeapDay = CivilDay.length(year: year, month: 2) == 29
                return CivilDay(number: newYear.number + Int64(hasLeapDay && day >= 60 ? day : day - 1))
            case .ordinal(let day): return CivilDay(number: newYear.number + Int64(day))
            case .weekday(let month, let week, let weekday):
                let first = CivilDay(year: year, month: month, day: 1)
                var day = (weekday - first.weekday + 7) % 7 + 7 * (week - 1)
                if day >= CivilDay.length(year: year, month: month) { day -= 7 }
                return CivilDay(number: first.number + Int64(day))
            }
        }
    }

    private struct Summer: Sendable, Equatable {
        var offset: Int64
        var start: Day
        /// Seconds after the day's beginning, in the time before the change.
        var startTime: Int64
        var end: Day
        var endTime: Int64
    }

    private let standard: Int64
    private let summer: Summer?

    func offset(at time: UnixTime) -> Int64 {
        guard let summer else { return standard }
        return changes(around: time, summer).last { $0.time <= time }?.after ?? standard
    }

    func transition(after time: UnixTime) -> TimeZoneRules.Transition? {
        guard let summer else { return nil }
        return changes(around: time, summer).first { $0.time > time && $0.before != $0.after }
    }

    /// Those of the year of a moment and of the years beside it, in order.
    private func changes(around time: UnixTime, _ summer: Summer) -> [TimeZoneRules.Transition] {
        // Far beyond any calendar the rule means nothing, and sums would overflow.
        let seconds = min(max(time.seconds, -1 << 50), 1 << 50)
        let year = WallTime(seconds).day.date.year
        return (year - 1...year + 1).flatMap { (year) -> [TimeZoneRules.Transition] in
            let start = WallTime(summer.start.day(in: year), minute: 0).seconds + summer.startTime - standard
            let end = WallTime(summer.end.day(in: year), minute: 0).seconds + summer.endTime - summer.offset
            return [
                .init(time: UnixTime(start), before: standard, after: summer.offset),
                .init(time: UnixTime(end), before: summer.offset, after: standard),
            ]
        }.sorted { $0.time < $1.time }
    }

    /// Nil where the text is not such a rule.
    init?(parsing text: String) {
        var cursor = Cursor(rest: Array(text.utf8)[...])
        guard cursor.name(), let west = cursor.time() else { return nil }
        standard = -west
        if cursor.rest.isEmpty {
            summer = nil
            return
        }
        guard cursor.name() else { return nil }
        var offset = standard + 3600
        if cursor.rest.first != UInt8(ascii: ",") {
            guard let west = cursor.time() else { return nil }
            offset = -west
        }
        guard let (start, startTime) = cursor.change(), let (end, endTime) = cursor.change(),
            cursor.rest.isEmpty
        else { return nil }
        summer = Summer(offset: offset, start: start, startTime: startTime, end: end, endTime: endTime)
    }

    private struct Cursor {
        var rest: ArraySlice<UInt8>

        mutating func skip(_ character: Unicode.Scalar) -> Bool {
            guard rest.first == UInt8(ascii: character) else { return false }
            rest = rest.dropFirst()
            return true
        }

        /// Three letters or more, or anything in angle brackets.
        mutating func name() -> Bool {
            if skip("<") {
                rest = rest.drop { $0 != UInt8(ascii: ">") }
                return skip(">")
            }
            let letters = rest.prefix { (65...90).contains($0 & ~0x20) }
            rest = rest.dropFirst(letters.count)
            return letters.count >= 3
        }

        mutating func number(_ range: ClosedRange<Int>) -> Int? {
            let digits = rest.prefix { (48...57).contains($0) }
            guard digits.count <= 3, let value = Int(String(decoding: digits, as: UTF8.self)),
                range.contains(value)
            else { return nil }
            rest = rest.dropFirst(digits.count)
            return value
        }

        /// `[+-]hh[:mm[:ss]]` in seconds.
        mutating func time() -> Int64? {
            let isNegative = skip("-")
            if !isNegative { _ = skip("+") }
            guard let hours = number(0...167) else { return nil }
            var seconds = hours * 3600
            for unit in [60, 1] where skip(":") {
                guard let value = number(0...59) else { return nil }
                seconds += value * unit
            }
            return Int64(isNegative ? -seconds : seconds)
        }

        /// `,M3.5.0/2`, the time 02:00:00 where none is given.
        mutating func change() -> (Day, Int64)? {
            guard skip(",") else { return nil }
            let day: Day
            if skip("M") {
                guard let month = number(1...12), skip("."), let week = number(1...5), skip("."),
                    let weekday = number(0...6)
                else { return nil }
                day = .weekday(month: month, week: week, weekday: weekday)
            } else if skip("J") {
                guard let number = number(1...365) else { return nil }
                day = .julian(number)
            } else {
                guard let number = number(0...365) else { return nil }
                day = .ordinal(number)
            }
            guard skip("/") else { return (day, 7200) }
            return time().map { (day, $0) }
        }
    }
}
