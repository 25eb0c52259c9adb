import CREngine
import PolicyModel

/// What retention keeps and deletes, for people.
struct PruneText {
    let terminal: Terminal

    func head(_ policy: Policy, store: String) -> String {
        terminal.paint("crplan prune", .bold) + "   policy \(policy.name)   store \(store)"
    }

    /// What would go, and with `explain` also what stays.
    func lines(_ verdict: Retention, policy: String, explain: Bool) -> [String] {
        let bytes = verdict.delete.reduce(0) { $0 + $1.checkpoint.bytes }
        let rows = verdict.delete.map { item in
            gone(
                "\(policy)/\(item.checkpoint.target)/\(item.checkpoint.name)", item.checkpoint.bytes,
                "\(item.reason)")
        }
        let sum =
            "\(Counted.text(verdict.delete.count, "checkpoint", "checkpoints")) would be deleted, "
            + "\(Size.text(bytes)) freed; \(verdict.keep.count) would stay. Nothing was changed."
        return (explain ? kept(verdict, policy: policy) : []) + rows + [terminal.wrap(sum, indent: 0)]
    }

    /// What stays, and all that holds it.
    func kept(_ verdict: Retention, policy: String) -> [String] {
        verdict.keep.map { item in
            let id = "\(policy)/\(item.checkpoint.target)/\(item.checkpoint.name)"
            let reasons = item.reasons.map(\.description).joined(separator: "; ")
            return row(terminal.paint("=", .green), id, item.checkpoint.bytes, reasons)
        }
    }

    /// What went, what could not, and the sum.
    func lines(_ record: PruneRecord) -> [String] {
        let rows = record.deleted.map { gone($0.id, $0.bytes, $0.reason) }
        let warnings = record.warnings.map {
            terminal.paint("warning", .yellow) + ": " + terminal.wrap($0, indent: 4, first: 9)
        }
        let sum =
            "Pruned: \(Counted.text(record.deleted.count, "checkpoint", "checkpoints")) deleted, "
            + "\(Size.text(record.freed)) freed, \(record.kept) kept."
        return rows + warnings + [terminal.wrap(sum, indent: 8)]
    }

    private func gone(_ id: String, _ bytes: UInt64, _ reason: String) -> String {
        row(terminal.paint("-", .red), id, bytes, reason)
    }

    private func row(_ mark: String, _ id: String, _ bytes: UInt64, _ reason: String) -> String {
        "\(mark) " + terminal.wrapRow("\(id)    \(Size.text(bytes))    \(reason)", indent: 2)
    }
}
