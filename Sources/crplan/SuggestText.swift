import CREngine
import PolicyModel

/// A suggestion as YAML that a policy can take over; what is for people stands in comments.
enum SuggestText {
    /// Everything, without a newline at the end.
    static func render(_ suggestion: Suggestion, subject: String, trees: Int) -> String {
        var lines = ["# \(subject): \(head(suggestion, trees: trees))"]
        var key = ""
        if !suggestion.items.isEmpty { lines.append("allow:") }
        for item in suggestion.items {
            let comments = reasons(item)
            if item.change.isRule {
                if key != item.change.key { lines.append("  \(item.change.key):") }
                lines += comments.map { "    # \($0)" }
                lines.append("    - \(item.change.text)")
            } else {
                lines += comments.map { "  # \($0)" }
                lines.append("  \(item.change.key): \(item.change.text)")
            }
            key = item.change.key
        }
        for finding in suggestion.remaining {
            let place = finding.object.place.map { "    \($0)" } ?? ""
            lines.append("# still blocks: \(finding.code.rawValue) \(line(finding.what))\(place)")
            if let remedy = finding.remedy { lines.append("#     \(line(remedy))") }
        }
        return lines.joined(separator: "\n")
    }

    private static func head(_ suggestion: Suggestion, trees: Int) -> String {
        let left = suggestion.remaining.count
        let count = Counted.text(trees, "tree", "trees")
        let blocks = Counted.text(left, "finding blocks", "findings block")
        if trees == 0 { return "it selects no process now" }
        if suggestion.items.isEmpty {
            return left == 0 ? "\(count), ready as it is" : "\(count); \(blocks), and no allowance helps"
        }
        return left == 0 ? "\(count), ready with this" : "\(count); \(blocks) even with this"
    }

    /// At most three of the findings, and before which rule it has to be.
    private static func reasons(_ item: Suggestion.Item) -> [String] {
        var lines = item.findings.prefix(3).map { finding in
            [finding.code.rawValue + " " + line(finding.what), finding.object.place].compactMap { $0 }
                .joined(separator: "    ")
        }
        if item.findings.count > 3 { lines.append("and \(item.findings.count - 3) more") }
        if let before = item.before { lines.append("goes before \(before)") }
        return lines
    }

    /// On one line, as a comment has to be.
    private static func line(_ text: String) -> String { Printable.text(text) }
}
