import CREngine

/// The catalogue of findings for people: one code, the list, and docs/findings.md.
struct ExplainText {
    let terminal: Terminal

    /// All that is known of one code, without a newline at the end.
    func render(_ code: FindingCode) -> String {
        let entry = code.entry
        var lines = ["\(terminal.paint(code.rawValue, .bold))  \(entry.title)  (\(entry.severity.rawValue))"]
        for (label, text) in ExplainText.parts(entry) {
            let gap = String(repeating: " ", count: 16 - label.count)
            lines.append("  \(terminal.paint(label, .faint))\(gap)" + terminal.wrap(text, indent: 18))
        }
        return lines.joined(separator: "\n")
    }

    /// A line a code, without a newline at the end.
    func list() -> String {
        FindingCode.allCases.map { code in
            "\(terminal.paint(code.rawValue, .bold))  \(terminal.wrap(code.entry.title, indent: 8))"
        }.joined(separator: "\n")
    }

    /// docs/findings.md, from the same entries.
    func document() -> String {
        var lines = [
            "# Findings", "",
            "Everything that a plan can have to say, by its code, as `crplan explain CODE` tells it. This file is",
            "written by `crplan explain --markdown > docs/findings.md`; a test compares it with the program.",
        ]
        var hundred: Character?
        for code in FindingCode.allCases {
            let digit = code.rawValue.dropFirst(3).first
            if digit != hundred {
                hundred = digit
                lines += ["", "## CRP\(digit ?? "?")xx: \(ExplainText.subject(of: digit))"]
            }
            let entry = code.entry
            lines += [
                "", "### \(code.rawValue) \(entry.title)", "", "Severity: \(entry.severity.rawValue)", "",
            ]
            for (label, text) in ExplainText.parts(entry) { lines.append("- **\(label)**: \(text)") }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func parts(_ entry: FindingCode.Entry) -> [(label: String, text: String)] {
        [
            ("means", entry.why), ("in the kernel", entry.kernel),
            ("allowed by", entry.remedy.map { "`\($0)`" } ?? "nothing"), ("at restore", entry.restore),
            ("in CRIU", entry.criu ?? "no name of its own"),
        ]
    }

    private static func subject(of hundred: Character?) -> String {
        switch hundred {
        case "1": "files"
        case "2": "sockets"
        case "3": "namespaces and control groups"
        case "4": "terminals, sessions and locks"
        case "5": "memory and devices"
        case "6": "tasks, the kernel and privileges"
        case "7": "the store"
        case "8": "policies, selection and schedules"
        default: "restores"
        }
    }
}
