import Glibc

/// Where text goes, and what it may look like there.
struct Terminal: Sendable, Equatable {
    var usesColour: Bool
    /// Columns.
    var width: Int

    /// Of a descriptor: colour only on a terminal and without NO_COLOR; 100 columns where there is no terminal.
    static func of(_ fd: Int32) -> Terminal {
        guard isatty(fd) == 1 else { return Terminal(usesColour: false, width: 100) }
        var size = winsize()
        let isKnown = ioctl(fd, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
        let refuses = getenv("NO_COLOR").map { $0.pointee != 0 } ?? false
        let isDumb = getenv("TERM").map { String(cString: $0) == "dumb" } ?? true
        return Terminal(usesColour: !refuses && !isDumb, width: isKnown ? Int(size.ws_col) : 80)
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

    /// Text on lines that fit, each after the first one indented; a word longer than a line stays whole.
    func wrap(_ text: String, indent: Int, first: Int? = nil) -> String {
        let room = max(30, min(width, Terminal.longestLine))
        var lines: [String] = []
        var line = ""
        var start = first ?? indent
        for word in text.split(separator: " ") {
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
    /// A row of columns that are four blanks apart; on a narrow terminal those that do not fit come on lines of their own.
    func wrapRow(_ row: String, indent: Int) -> String {
        let columns = row.split(separator: "    ").map(String.init)
        if indent + row.count <= width { return row }
        let start = "\n" + String(repeating: " ", count: indent)
        return columns.map { wrap($0, indent: indent) }.joined(separator: start)
    }
}

/// Writes a line to standard error.
func printError(_ text: String) {
    _ = (text + "\n").withCString { write(STDERR_FILENO, $0, strlen($0)) }
}
