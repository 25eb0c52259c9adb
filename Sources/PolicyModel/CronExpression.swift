/// The five time fields of a crontab(5) line, as bit sets.
package struct CronExpression: Sendable, Equatable, Codable {
    /// As written.
    package var text = ""
    /// Bit n: minute n, 0...59.
    package var minutes: UInt64 = 0
    /// Bit n: hour n, 0...23.
    package var hours: UInt64 = 0
    /// Bit n: day n of the month, 1...31.
    package var days: UInt64 = 0
    /// Bit n: month n, 1...12.
    package var months: UInt64 = 0
    /// Bit n: day n of the week, 0...6 from Sunday.
    package var weekdays: UInt64 = 0
    /// The day of the month began with `*`: only the day of the week counts. crontab(5).
    package var anyDay = false
    /// The day of the week began with `*`: only the day of the month counts. crontab(5).
    package var anyWeekday = false

    package init() {}
}
