/// One policy file by lines, for the excerpts of diagnostics.
struct SourceText: Sendable {
    let name: String
    private let lines: [Substring.UTF8View]

    init(name: String, text: String) {
        self.name = name
        lines = text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    }

    /// A line without its end; empty past the last one. Counted from 1.
    func line(_ number: Int) -> String {
        guard lines.indices.contains(number - 1) else { return "" }
        var line = lines[number - 1]
        if line.last == UInt8(ascii: "\r") { line.removeLast() }
        return String(Substring(line))
    }

    /// A place with the line that it is on.
    func location(_ place: YAMLPlace) -> Diagnostic.Location {
        Diagnostic.Location(
            mark: SourceMark(file: name, line: place.line, column: place.column), line: line(place.line),
            length: place.length)
    }

    /// The place of a byte of the text, counted from 0.
    func location(atByte offset: Int) -> Diagnostic.Location {
        var start = 0
        for (index, line) in lines.enumerated() {
            if offset <= start + line.count {
                let before = line.prefix(offset - start)
                let column = String(decoding: before, as: UTF8.self).unicodeScalars.count + 1
                return location(YAMLPlace(line: index + 1, column: column))
            }
            start += line.count + 1
        }
        return location(YAMLPlace(line: lines.count, column: 1))
    }

    /// The character at a place; nil at the end of a line.
    func character(at place: YAMLPlace) -> Unicode.Scalar? {
        let scalars = line(place.line).unicodeScalars
        return scalars.dropFirst(place.column - 1).first
    }

    /// What stands before a place on its line.
    func indentation(before place: YAMLPlace) -> String {
        var prefix = ""
        prefix.unicodeScalars.append(contentsOf: line(place.line).unicodeScalars.prefix(place.column - 1))
        return prefix
    }

    /// From a place to the end of its line, without a comment and blanks at the end.
    func rest(from place: YAMLPlace) -> String {
        var rest = String.UnicodeScalarView(line(place.line).unicodeScalars.dropFirst(place.column - 1))
        var previous: Unicode.Scalar = "x"
        for index in rest.indices {
            if rest[index] == "#", previous == " " || previous == "\t" {
                rest = String.UnicodeScalarView(rest[..<index])
                break
            }
            previous = rest[index]
        }
        while let last = rest.last, last == " " || last == "\t" { rest.removeLast() }
        return String(rest)
    }
}
