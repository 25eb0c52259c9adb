import Glibc

/// Where text goes, and what it may look like there.
struct Terminal: Sendable, Equatable {
    var usesColour: Bool
    /// Columns.
    var width: Int
    /// Whether paths that do not fit are broken at a slash; in a file or a pipe they stay whole, to be searched for.
    var breaksPaths = false

    /// Of a descriptor: colour only on a terminal and without NO_COLOR; 100 columns where there is no terminal.
    static func of(_ fd: Int32) -> Terminal {
        guard isatty(fd) == 1 else { return Terminal(usesColour: false, width: 100) }
        var size = winsize()
        let isKnown = ioctl(fd, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
        let refuses = getenv("NO_COLOR").map { $0.pointee != 0 } ?? false
        let isDumb = getenv("TERM").map { String(cString: $0) == "dumb" } ?? true
        return Terminal(
            usesColour: !refuses && !isDumb, width: isKnown ? Int(size.ws_col) : 80, breaksPaths: true)
    }

    static var output: Terminal { of(STDOUT_FILENO) }
    static var errors: Terminal { of(STDERR_FILENO) }

    enum Style: String {
        case bold = "1"
        case faint = "2"
        case red = "1;31"
        case green = "32"
        case yellow = "33"
    }

    func paint(_ text: String, _ style: Style) -> String {
        usesColour ? "\u{1B}[\(style.rawValue)m\(text)\u{1B}[0m" : text
    }

    /// Sentences longer than this are hard to read, however wide the terminal is.
    private static let longestLine = 112

    /// Text on lines that fit, each after the first one indented. A word longer than a line stays whole, but for paths.
    func wrap(_ text: String, indent: Int, first: Int? = nil) -> String {
        let room = max(30, min(width, Terminal.longestLine))
        var lines: [String] = []
        var line = ""
        var start = first ?? indent
        for word in text.split(separator: " ").flatMap({ pieces($0, room: room - indent) }) {
            if word.isContinued {
                lines.append(line)
                line = ""
                start = indent
            }
            let word = word.text
            if !line.isEmpty, start + line.count + 1 + word.count > room {
                lines.append(line)
                line = ""
                start = indent
            }
            line += line.isEmpty ? String(word) : " " + word
        }
        lines.append(line)
        return lines.joined(separator: "\n" + String(repeating: " ", count: indent))
    }
}

extension Terminal {
    /// A word, or the parts of a long path; each but the first begins a line of its own.
    private func pieces(_ word: Substring, room: Int) -> [(text: Substring, isContinued: Bool)] {
        var rest = word
        var found: [(Substring, Bool)] = []
        while breaksPaths, room > 10, rest.count > room,
            let slash = rest.prefix(room).lastIndex(of: "/"), slash > rest.startIndex
        {
            found.append((rest[..<slash], !found.isEmpty))
            rest = rest[slash...]
        }
        return found + [(rest, !found.isEmpty)]
    }

    /// A row of columns that are four blanks apart; on a narrow terminal those that do not fit come on lines of their own.
    func wrapRow(_ row: String, indent: Int) -> String {
        let columns = row.split(separator: "    ").map(String.init)
        if indent + row.count <= width { return columns.joined(separator: "    ") }
        let start = "\n" + String(repeating: " ", count: indent)
        return columns.map { wrap($0, indent: indent) }.joined(separator: start)
    }
}

/// Writes a line to standard error.
func printError(_ text: String) {
    _ = (text + "\n").withCString { write(STDERR_FILENO, $0, strlen($0)) }
}
