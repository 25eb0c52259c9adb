import FoundationEssentials
import PolicyModel

/// What a policy comes to, as people read it: key, value, and `line 7` or `default`.
struct EffectivePolicyText {
    let terminal: Terminal

    /// Everything, without a newline at the end.
    func render(_ policy: Policy) -> String {
        let rows = EffectivePolicy(policy).rows
        let width = rows.map(\.key.count).max() ?? 0
        let origins = rows.map { row in row.mark.map { "\($0.file):\($0.line)" } ?? "default" }
        let originWidth = origins.map(\.count).max() ?? 0
        var lines = [terminal.paint("policy \(policy.name)", .bold) + "   \(policy.source.file)"]
        for (row, origin) in zip(rows, origins) {
            let key = row.key + String(repeating: " ", count: width - row.key.count)
            let place = origin + String(repeating: " ", count: originWidth - origin.count)
            let value = Printable.text(row.value ?? "-")
            // The value last, as it may be long; on a narrow terminal on a line of its own.
            let start = "  \(key)  \(place)  "
            let isNarrow = start.count + value.count > terminal.width && start.count > terminal.width / 2
            let text = terminal.wrap(value, indent: isNarrow ? 6 : start.count)
            let head = "  \(key)  " + (row.mark == nil ? terminal.paint(place, .faint) : place)
            lines.append(isNarrow ? "\(head)\n      \(text)" : "\(head)  \(text)")
        }
        return lines.joined(separator: "\n")
    }

    /// The same as JSON, with a newline at the end.
    static func json(_ policies: [Policy]) throws -> String {
        struct Document: Encodable {
            var schema = 1
            var policies: [Shown]
        }
        struct Shown: Encodable {
            var policy: String
            var file: String
            var keys: [EffectivePolicy.Row]
        }
        let shown = policies.map {
            Shown(policy: $0.name, file: $0.source.file, keys: EffectivePolicy($0).rows)
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(Document(policies: shown)), as: UTF8.self) + "\n"
    }
}
