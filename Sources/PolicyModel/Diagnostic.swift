/// Something wrong with a policy file, with the place and a way out.
package struct Diagnostic: Sendable, Equatable {
    /// A place with the line that it is on.
    struct Location: Sendable, Equatable {
        var mark: SourceMark
        /// The whole line, without its end.
        var line: String
        /// Characters from the column on that are meant, at least 1.
        var length: Int

        /// The same place some characters further right, where the line is that long.
        func shifted(by offset: Int, length: Int) -> Location {
            var result = self
            result.mark.column += offset
            result.length = length
            return result
        }
    }

    /// The file as the operator named it.
    package let file: String
    /// One sentence without a full stop: subject, fact, remedy.
    package let message: String
    /// What was probably meant, to stand after "did you mean".
    package let suggestion: String?
    private let location: Location?

    init(_ location: Location, _ message: String, suggestion: String? = nil) {
        self.file = location.mark.file
        self.location = location
        self.message = Diagnostic.short(message)
        self.suggestion = suggestion
    }

    /// About a file as a whole.
    init(file: String, _ message: String) {
        self.file = file
        self.message = message
        suggestion = nil
        location = nil
    }

    /// A name out of a file can be as long as the file.
    private static func short(_ message: String) -> String {
        message.utf8.count <= 1000 ? message : message.prefix(999) + "…"
    }

    /// Nil when the whole file is meant.
    package var mark: SourceMark? { location?.mark }

    /// As a compiler prints it: `file:line:column: error: …`, the line, a caret, and "did you mean". The lines are
    /// joined by newlines, without one at the end.
    package func render(colour: Bool = false) -> String {
        let paint = Paint(isOn: colour)
        let head = paint.bold("\(location.map(\.mark.description) ?? file): ") + paint.red("error: ")
        var text = head + paint.bold(Diagnostic.printable(message))
        guard let location else { return text }
        let number = String(location.mark.line)
        let blanks = String(repeating: " ", count: number.count)
        let (excerpt, column) = Diagnostic.window(location.line, column: location.mark.column)
        let scalars = Array(excerpt.unicodeScalars)
        let indent = String(
            String.UnicodeScalarView(scalars.prefix(column - 1).map { $0 == "\t" ? "\t" : " " }))
        let width = max(1, min(location.length, scalars.count - column + 1))
        let caret = "^" + String(repeating: "~", count: width - 1)
        text += "\n \(number) | \(Diagnostic.printable(excerpt))\n \(blanks) | \(indent)\(paint.green(caret))"
        if let suggestion { text += paint.green(" did you mean \(suggestion)?") }
        return text
    }

    /// At most 120 characters around a column, and the column in them.
    private static func window(_ line: String, column: Int) -> (String, Int) {
        let scalars = Array(line.unicodeScalars)
        let column = min(column, scalars.count + 1)
        guard scalars.count > 120 else { return (line, column) }
        let start = max(0, min(column - 60, scalars.count - 120))
        return (String(String.UnicodeScalarView(scalars[start..<start + 120])), column - start)
    }

    /// Text from a file with what could steer a terminal replaced.
    private static func printable(_ text: String) -> String {
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            let steers = scalar.properties.generalCategory == .control && scalar != "\t"
            result.append(steers || scalar.properties.isBidiControl ? "\u{FFFD}" : scalar)
        }
        return String(result)
    }

    /// Colours of a terminal, or none.
    private struct Paint {
        var isOn: Bool

        func bold(_ text: String) -> String { isOn ? "\u{1B}[1m\(text)\u{1B}[0m" : text }
        func red(_ text: String) -> String { isOn ? "\u{1B}[1;31m\(text)\u{1B}[0m" : text }
        func green(_ text: String) -> String { isOn ? "\u{1B}[32m\(text)\u{1B}[0m" : text }
    }
}

/// All that is wrong with the policy files of one run.
package struct PolicyError: Error, Equatable {
    /// In the order of the files and of the lines in them; never empty.
    package let diagnostics: [Diagnostic]
    /// How many there are besides in files that have a great many.
    package let untold: Int

    init(diagnostics: [Diagnostic], untold: Int = 0) {
        self.diagnostics = diagnostics
        self.untold = untold
    }

    /// All of them as a compiler prints them, with how many there are at the end.
    package func render(colour: Bool = false) -> String {
        var count = diagnostics.count == 1 ? "1 error" : "\(diagnostics.count) errors"
        if untold > 0 { count += ", and \(untold) more that are not told; mend these first" }
        return (diagnostics.map { $0.render(colour: colour) } + [count]).joined(separator: "\n")
    }
}
