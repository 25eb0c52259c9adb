import CREngine
import PolicyModel

/// What `crplan match` found, as people read it.
struct MatchText {
    let terminal: Terminal
    /// Of processes that are no targets for a plain reason.
    private static let longestList = 20

    /// Everything, without a newline at the end.
    func render(_ report: MatchReport) -> String {
        let examined = Counted.text(report.examined, "process", "processes")
        var lines = [
            terminal.paint("crplan match", .bold) + "   policy \(report.policy)",
            "\(Counted.text(report.matches.count, "tree matches", "trees match")), "
                + "\(examined) looked at in \(report.milliseconds) ms",
        ]
        for finding in report.findings {
            let key = finding.object.key ?? ""
            lines.append(
                terminal.paint("note: ", .yellow)
                    + terminal.wrap("\(key): \(finding.what): \(finding.why)", indent: 4, first: 6))
        }
        if !report.matches.isEmpty { lines += [""] + report.matches.map(match) }
        if !report.excluded.isEmpty {
            lines += ["", terminal.paint("matched, and no target", .bold)]
            let shown = report.excluded.prefix(MatchText.longestList)
            lines += shown.map { row("-", .yellow, $0.comm, $0.pid, $0.reason) }
            let rest = report.excluded.count - shown.count
            if rest > 0 { lines.append("  and \(rest) more; --format json tells all") }
        }
        if !report.nearMisses.isEmpty { lines += [""] + near(report) }
        return lines.joined(separator: "\n")
    }

    private func match(_ match: MatchReport.Match) -> String {
        let why = match.entry ?? "came with another match"
        return row("+", .green, match.comm, match.pid, why + (match.group.map { "    with \($0)" } ?? ""))
    }

    private func row(
        _ mark: String, _ style: Terminal.Style, _ comm: String, _ pid: Int32, _ rest: String
    ) -> String {
        let label = "\(Printable.text(comm))[\(pid)]"
        let gap = String(repeating: " ", count: max(2, 18 - label.count))
        let text = terminal.wrapRow(Printable.text(rest), indent: 2 + label.count + gap.count)
        return "\(terminal.paint(mark, style)) \(terminal.paint(label, .bold))\(gap)\(text)"
    }

    private func near(_ report: MatchReport) -> [String] {
        let shown = report.nearMisses.count
        let count =
            shown < report.nearMissCount
            ? "the nearest \(shown) of \(Counted.text(report.nearMissCount, "near miss", "near misses"))"
            : Counted.text(shown, "near miss", "near misses")
        var lines = [terminal.paint(count, .bold)]
        for miss in report.nearMisses {
            lines.append(
                row(
                    "✘", .red, miss.comm, miss.pid,
                    "\(miss.entry): meets \(miss.meets.joined(separator: ", "))"))
            let width = miss.refused.map(\.key.count).max() ?? 0
            for refusal in miss.refused { lines.append(refused(refusal, width)) }
        }
        return lines
    }

    private func refused(_ refusal: MatchReport.Refusal, _ width: Int) -> String {
        let key = refusal.key + String(repeating: " ", count: width - refusal.key.count)
        let value = refusal.value.map { Printable.text(MatchText.short($0)) } ?? "not shown by the kernel"
        let wanted = "the policy wants \(Printable.text(refusal.wanted))"
        let row = terminal.wrapRow("\(value)    \(wanted)", indent: 6 + width)
        return "    \(terminal.paint(key, .red))  \(row)"
    }

    /// Command lines can be very long.
    private static func short(_ text: String) -> String {
        text.count <= 160 ? text : text.prefix(159) + "…"
    }
}

/// Text that others chose, made harmless for a terminal.
enum Printable {
    /// Control characters, and signs that turn the direction of writing, become `\u{FFFD}`.
    static func text(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: isHarmful) else { return text }
        var scalars = String.UnicodeScalarView()
        for scalar in text.unicodeScalars { scalars.append(isHarmful(scalar) ? "\u{FFFD}" : scalar) }
        return String(scalars)
    }

    private static func isHarmful(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: true
        default: false
        }
    }
}
