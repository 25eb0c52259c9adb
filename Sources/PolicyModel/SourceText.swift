/// One policy file by lines, for the excerpts of diagnostics.
struct SourceText: Sendable {
    let name: String
    private let bytes: [UInt8]
    /// Of each line in `bytes`, and one past the end of the last; four bytes a line, as a file may be all lines.
    private let starts: [UInt32]

    /// `bytes` are UTF-8, at most 4 GiB.
    init(name: String, bytes: [UInt8]) {
        self.name = name
        self.bytes = bytes
        var starts: [UInt32] = [0]
        for (place, byte) in bytes.enumerated() where byte == UInt8(ascii: "\n") {
            starts.append(UInt32(place) + 1)
        }
        starts.append(UInt32(bytes.count) + 1)
        self.starts = starts
    }

    /// The number of the first line that has more bytes than this; nil where none has.
    func firstLine(longerThan limit: Int) -> Int? {
        (1..<starts.count).first { range(ofLine: $0).count > limit }
    }

    /// Whether more lines than this begin with `%`, as YAML's directives do.
    func countsMoreDirectives(than limit: Int) -> Bool {
        starts.dropLast().count { $0 < bytes.count && bytes[Int($0)] == UInt8(ascii: "%") } > limit
    }

    /// Of a line without its newline; empty past the last one. Counted from 1.
    private func range(ofLine number: Int) -> Range<Int> {
        guard (1..<starts.count).contains(number) else { return bytes.endIndex..<bytes.endIndex }
        return Int(starts[number - 1])..<(Int(starts[number]) - 1)
    }

    /// A line without its end; empty past the last one. Counted from 1.
    func line(_ number: Int) -> String {
        var line = bytes[range(ofLine: number)]
        if line.last == UInt8(ascii: "\r") { line.removeLast() }
        return String(decoding: line, as: UTF8.self)
    }

    /// A place with the line that it is on.
    func location(_ place: YAMLPlace) -> Diagnostic.Location {
        Diagnostic.Location(
            mark: SourceMark(file: name, line: place.line, column: place.column), line: line(place.line),
            length: place.length)
    }

    /// The place of a byte of the text, counted from 0.
    func location(atByte offset: Int) -> Diagnostic.Location {
        let number = starts.lastIndex { $0 <= offset }.map { $0 + 1 } ?? 1
        let line = range(ofLine: min(number, starts.count - 1))
        let before = bytes[line.lowerBound..<max(line.lowerBound, min(offset, line.upperBound))]
        let column = String(decoding: before, as: UTF8.self).unicodeScalars.count + 1
        return location(YAMLPlace(line: min(number, starts.count - 1), column: column))
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
