import Testing

@testable import PolicyModel

@Suite struct CivilDayTests {
    @Test(arguments: [
        (1970, 1, 1, 0, 4), (2000, 2, 29, 11016, 2), (2026, 11, 24, 20781, 2), (1969, 12, 31, -1, 3),
        (1900, 3, 1, -25508, 4), (0, 2, 29, -719_469, 2),
    ])
    func `a date is a number of days and has its weekday`(
        year: Int64, month: Int, day: Int, number: Int64, weekday: Int
    ) {
        let found = CivilDay(year: year, month: month, day: day)
        #expect(found.number == number)
        #expect(found.date == (year, month, day))
        #expect(found.weekday == weekday)
    }

    @Test func `every day of a cycle follows the one before by the rules of the calendar`() {
        let lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        var expected: (year: Int64, month: Int, day: Int) = (1800, 1, 1)
        let first = CivilDay(year: 1800, month: 1, day: 1).number
        var wrong = 0
        for number in first..<first + 146_097 {
            if CivilDay(number: number).date != expected { wrong += 1 }
            let isLeap = expected.year % 4 == 0 && (expected.year % 100 != 0 || expected.year % 400 == 0)
            let length = lengths[expected.month - 1] + (isLeap && expected.month == 2 ? 1 : 0)
            if CivilDay.length(year: expected.year, month: expected.month) != length { wrong += 1 }
            expected.day += 1
            if expected.day > length { expected = (expected.year, expected.month + 1, 1) }
            if expected.month > 12 { expected = (expected.year + 1, 1, 1) }
        }
        #expect(wrong == 0)
        #expect(expected == (2200, 1, 1))
    }
}
