/// A day of the Gregorian calendar, also before that was introduced.
///
/// Years are reckoned from March, so that a leap day is the last one of its year and months have lengths that a
/// straight line approximates: the month that is m months after March begins (153 m + 2) / 5 days after the first.
struct CivilDay: Sendable, Hashable, Comparable {
    /// After this many years the calendar repeats, weekdays too.
    static let yearsOfCycle: Int64 = 400
    private static let daysOfCycle: Int64 = 146_097
    /// From 0000-03-01 to 1970-01-01.
    private static let daysToEpoch: Int64 = 719_468

    /// Days since 1970-01-01.
    var number: Int64

    init(number: Int64) { self.number = number }

    /// `month` is 1...12; a day beyond its month's end is one of the next month.
    init(year: Int64, month: Int, day: Int) {
        let marchYear = month <= 2 ? year - 1 : year
        let leapDays = floorDivide(marchYear, 4) - floorDivide(marchYear, 100) + floorDivide(marchYear, 400)
        let monthStart = (153 * ((month + 9) % 12) + 2) / 5
        number = 365 * marchYear + leapDays + Int64(monthStart + day - 1) - CivilDay.daysToEpoch
    }

    var date: (year: Int64, month: Int, day: Int) {
        let cycle = floorDivide(number + CivilDay.daysToEpoch, CivilDay.daysOfCycle)
        let inCycle = number + CivilDay.daysToEpoch - cycle * CivilDay.daysOfCycle
        // The estimate is right or one too many.
        var year = min(399, (inCycle + 1) * 400 / CivilDay.daysOfCycle)
        func start(_ year: Int64) -> Int64 { 365 * year + year / 4 - year / 100 }
        while start(year) > inCycle { year -= 1 }
        while year < 399, start(year + 1) <= inCycle { year += 1 }
        let inYear = Int(inCycle - start(year))
        let marchMonth = (5 * inYear + 2) / 153
        let day = inYear - (153 * marchMonth + 2) / 5 + 1
        let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        return (cycle * CivilDay.yearsOfCycle + year + (month <= 2 ? 1 : 0), month, day)
    }

    /// 0...6 from Sunday; 1970-01-01 was a Thursday.
    var weekday: Int { Int(number + 4 - floorDivide(number + 4, 7) * 7) }

    /// Days of a month.
    static func length(year: Int64, month: Int) -> Int {
        let next = month == 12 ? (year + 1, 1) : (year, month + 1)
        let first = CivilDay(year: year, month: month, day: 1)
        return Int(CivilDay(year: next.0, month: next.1, day: 1).number - first.number)
    }

    static func < (a: CivilDay, b: CivilDay) -> Bool { a.number < b.number }
}
