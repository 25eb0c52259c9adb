import ArgumentParser
import CREngine
import FoundationEssentials
import PolicyModel

/// What happened to a policy.
struct HistoryCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "history", abstract: "Tells the runs of policies and what came of them, oldest first.")

    enum Format: String, ExpressibleByArgument, CaseIterable {
        case text
        case json
    }

    @Argument(help: "Only this policy: its name, or its file, which names the store too.") var policy: String?
    @OptionGroup var store: StoreArguments
    @Option(name: .customShort("n"), help: ArgumentHelp("The newest so many events.", valueName: "count"))
    var count: Int?
    @Option(help: "text or json.") var format = Format.text

    /// An event with the policy that it is of.
    struct Row: Encodable {
        var policy: String
        var event: HistoryEvent

        func encode(to encoder: any Encoder) throws {
            enum Keys: String, CodingKey {
                case policy
            }
            try event.encode(to: encoder)
            var container = encoder.container(keyedBy: Keys.self)
            try container.encode(policy, forKey: .policy)
        }
    }

    func validate() throws {
        if let count, count < 1 { throw ValidationError("-n is 1 or more") }
    }

    func run() throws {
        var rows: [Row] = []
        for (place, name) in try places() {
            let contents = try orFail { () throws(StoreError) in
                try History(store: place, policy: name).read()
            }
            for line in contents.damage { printError("crplan: \(line)") }
            rows += contents.events.map { Row(policy: name, event: $0) }
        }
        // Stable: events of one second stay in the order in which they were written.
        rows = rows.enumerated().sorted {
            ($0.element.event.at, $0.offset) < ($1.element.event.at, $1.offset)
        }
        .map(\.element)
        if let count { rows = rows.suffix(count) }
        switch format {
        case .json: print(try reportJSON(rows))
        case .text where rows.isEmpty: print("no history")
        case .text:
            HistoryText(terminal: .output, showsPolicy: policy == nil).lines(rows).forEach { print($0) }
        }
    }

    private func places() throws -> [(store: Store, policy: String)] {
        guard let policy else {
            let names = try orFail { () throws(StoreError) in try store.store.policies() }
            return names.map { (store.store, $0) }
        }
        guard PolicyName.isFile(policy) else { return [(store.store, policy)] }
        return try PolicyArguments.parse([policy]).load().map { (Store(path: $0.store.path), $0.name) }
    }
}

/// Events as people read them.
struct HistoryText {
    let terminal: Terminal
    let showsPolicy: Bool

    func lines(_ rows: [HistoryCommand.Row]) -> [String] {
        let width = showsPolicy ? (rows.map(\.policy.count).max() ?? 0) + 2 : 0
        return rows.map { row in
            let moment = LocalTime.shortText(row.event.at.timeIntervalSince1970)
            let name = showsPolicy ? row.policy + String(repeating: " ", count: width - row.policy.count) : ""
            let start = moment.count + 2 + width
            return terminal.paint(moment, .faint) + "  " + name
                + terminal.wrap(sentence(row.event), indent: start)
        }
    }

    private func sentence(_ event: HistoryEvent) -> String {
        let reason = event.error.map { ": \($0)" } ?? ""
        switch event.event {
        case .started:
            let due = event.due.map { ", due \(LocalTime.shortText($0.timeIntervalSince1970))" } ?? ""
            return "run \(event.run ?? "") begins, \(event.occasion ?? "manual")\(due)"
        case .target:
            var facts = ["\(event.target ?? "?") \(painted(event.outcome))"]
            if let bytes = event.bytes { facts.append(Size.text(bytes)) }
            if let frozen = event.frozen { facts.append("paused for \(Pause.text(microseconds: frozen))") }
            if let id = event.checkpoint { facts.append(String(id.split(separator: "/").last ?? "")) }
            if event.confirmed == false { facts.append("not read back") }
            return facts.joined(separator: ", ") + reason
        case .finished:
            let trees = event.targets.map { ", \(Counted.text($0, "tree", "trees"))" } ?? ""
            let time = event.milliseconds.map { ", \(Pause.text(microseconds: $0 * 1000))" } ?? ""
            return "run \(event.run ?? "") ends: \(painted(event.outcome))\(trees)\(time)\(reason)"
        case .skipped:
            return terminal.paint("skipped", .yellow) + reason
        case .lockTakenOver:
            return "the lock that pid \(event.holder.map { "\($0.pid)" } ?? "?") left behind was taken over"
        case .pruned:
            let count = Counted.text(event.deleted?.count ?? 0, "checkpoint", "checkpoints")
            return "\(count) pruned, \(Size.text(event.bytes ?? 0)) freed\(reason)"
        default: return event.event.rawValue + reason
        }
    }

    private func painted(_ outcome: String?) -> String {
        guard let outcome else { return "?" }
        let isGood = [RunOutcome.done.rawValue, DumpReply.Outcome.dumped.rawValue].contains(outcome)
        return terminal.paint(outcome, isGood ? .green : outcome == "skipped" ? .yellow : .red)
    }
}
