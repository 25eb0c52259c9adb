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
    /// The minute began with `*`.
    package var anyMinute = false
    /// The hour began with `*`.
    package var anyHour = false
    /// The day of the month began with `*`. If neither kind of day does, one of them is enough; else both must agree.
    /// crontab(5).
    package var anyDay = false
    /// The day of the week began with `*`.
    package var anyWeekday = false

    /// Why a text is not an expression.
    package struct SyntaxError: Error, Equatable {
        package var reason: String
        /// Characters from the start of the text to the fault.
        package var offset: Int
        /// Characters of the fault.
        package var length: Int
    }

    private struct Field {
        var name: String
        var range: ClosedRange<Int>
        var names: [String] = []
    }

    private static let fields = [
        Field(name: "minute", range: 0...59), Field(name: "hour", range: 0...23),
        Field(name: "day of the month", range: 1...31),
        Field(
            name: "month", range: 1...12,
            names: ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]),
        Field(
            name: "day of the week", range: 0...7, names: ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]),
    ]

    private static let nicknames = [
        "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
        "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
    ]

    /// Reads five fields or a nickname (`@hourly`), by the rules of Debian's crontab(5).
    package init(parsing text: String) throws(SyntaxError) {
        var fields = text
        if text.hasPrefix("@") {
            guard let meaning = CronExpression.nicknames[text.lowercased()] else {
                let reason =
                    text == "@reboot"
                    ? "@reboot is not a time; use catch-up: once to make up for a missed run"
                    : "it knows " + Diagnostic.alternatives(CronExpression.nicknames.keys.sorted())
                throw SyntaxError(reason: reason, offset: 0, length: text.count)
            }
            fields = meaning
        }
        let words = fields.split(whereSeparator: { $0 == " " || $0 == "\t" })
        guard words.count == 5 else {
            let reason =
                "it needs five fields (minute, hour, day of the month, month, weekday) and has \(words.count)"
            throw SyntaxError(reason: reason, offset: 0, length: max(1, text.count))
        }
        var sets: [UInt64] = []
        for (word, field) in zip(words, CronExpression.fields) {
            let offset = fields.distance(from: fields.startIndex, to: word.startIndex)
            sets.append(try CronExpression.read(word, field, offset: offset))
        }
        self.text = text
        minutes = sets[0]
        hours = sets[1]
        days = sets[2]
        months = sets[3]
        weekdays = (sets[4] | sets[4] >> 7) & 0x7f
        anyMinute = words[0].hasPrefix("*")
        anyHour = words[1].hasPrefix("*")
        anyDay = words[2].hasPrefix("*")
        anyWeekday = words[4].hasPrefix("*")
        if !everComes {
            let offset = fields.distance(from: fields.startIndex, to: words[2].startIndex)
            let end = fields.distance(from: fields.startIndex, to: words[3].endIndex)
            throw SyntaxError(reason: "this date never comes", offset: offset, length: end - offset)
        }
    }

    /// Whether any year has such a day. With both kinds of day restricted either one is enough.
    private var everComes: Bool {
        if !anyDay, !anyWeekday { return true }
        let longest = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        return longest.enumerated().contains { month, length in
            months >> UInt64(month + 1) & 1 == 1 && days & ((2 << UInt64(length)) - 2) != 0
        }
    }

    /// A list of `*`, numbers and ranges, the first and the last with an optional step.
    private static func read(_ word: Substring, _ field: Field, offset: Int) throws(SyntaxError) -> UInt64 {
        var set: UInt64 = 0
        var position = offset
        for item in word.split(separator: ",", omittingEmptySubsequences: false) {
            set |= try readItem(item, field, offset: position)
            position += item.count + 1
        }
        return set
    }

    private static func readItem(_ item: Substring, _ field: Field, offset: Int) throws(SyntaxError) -> UInt64
    {
        let fault = { (reason: String) in
            SyntaxError(reason: "the \(field.name) \(reason)", offset: offset, length: max(1, item.count))
        }
        let parts = item.split(separator: "/", omittingEmptySubsequences: false)
        guard let span = parts.first, parts.count <= 2, !span.isEmpty else {
            throw fault("'\(item)' is not one")
        }
        var range = field.range
        let ends = span.split(separator: "-", omittingEmptySubsequences: false)
        if span != "*" {
            let values = ends.map { value($0, field) }
            guard let low = values[0], values.count <= 2, let high = values[values.count - 1] else {
                let limits = "\(field.range.lowerBound)-\(field.range.upperBound)"
                let names = field.names.first.map { " or a name like \($0)" } ?? ""
                throw fault("'\(span)' is not in \(limits)\(names)")
            }
            guard low <= high else { throw fault("'\(span)' runs backwards; write two ranges") }
            range = low...high
        }
        var step = 1
        if parts.count == 2 {
            guard let given = Units.number(parts[1].utf8), given >= 1 else {
                throw fault("has the step '\(parts[1])', which is not a number from 1 on")
            }
            guard span == "*" || ends.count == 2 else {
                throw fault(
                    "'\(item)' has a step without a range; write '\(span)-\(field.range.upperBound)/\(given)'"
                )
            }
            step = Int(min(given, 100))
        }
        return stride(from: range.lowerBound, through: range.upperBound, by: step).reduce(0) {
            $0 | 1 << UInt64($1)
        }
    }

    private static func value(_ text: Substring, _ field: Field) -> Int? {
        if let index = field.names.firstIndex(of: text.lowercased()) {
            return field.range.lowerBound + index
        }
        guard (1...2).contains(text.utf8.count), text.utf8.allSatisfy({ (48...57).contains($0) }) else {
            return nil
        }
        return Int(text).flatMap { field.range.contains($0) ? $0 : nil }
    }
}
