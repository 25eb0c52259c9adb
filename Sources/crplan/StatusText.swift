import CREngine
import FoundationEssentials

/// Statuses as people read them.
struct StatusText {
    let terminal: Terminal
    let now: Date

    func lines(_ statuses: [PolicyStatus]) -> [String] {
        if statuses.isEmpty { return ["no policies"] }
        return statuses.enumerated().flatMap { index, status in
            (index == 0 ? [] : [""]) + lines(status)
        }
    }

    private func lines(_ status: PolicyStatus) -> [String] {
        let style: Terminal.Style =
            switch status.state {
            case .ok: .green
            case .warning, .unknown: .yellow
            case .critical: .red
            }
        var lines = [
            "\(terminal.paint(status.policy, .bold))  \(terminal.paint(status.state.rawValue, style))"
        ]
        lines += status.reasons.map { "  " + terminal.wrap($0, indent: 4, first: 2) }
        var facts: [String] = []
        if let last = status.lastRun {
            let end = last.finished.map { " in \(Age.text($0.timeIntervalSince(last.started)))" } ?? ""
            facts.append("last run \(moment(last.started)) \(last.outcome)\(end)")
        }
        if status.skipped > 0 { facts.append("\(status.skipped) skipped since") }
        if let next = status.nextRun { facts.append("next run \(moment(next))") }
        if !facts.isEmpty {
            lines.append("  " + terminal.wrapRow(facts.joined(separator: "    "), indent: 2))
        }
        for target in status.targets { lines += self.lines(target) }
        return lines
    }

    private func lines(_ target: PolicyStatus.Target) -> [String] {
        var facts: [String] = []
        if let created = target.created {
            let age = Age.text(now.timeIntervalSince(created)) + " old"
            facts.append(target.isLate ? terminal.paint("\(age), late", .red) : age)
            facts.append(Size.text(target.bytes ?? 0))
            facts.append("paused for \(Pause.text(microseconds: target.frozen ?? 0))")
        } else {
            facts.append(terminal.paint("no good checkpoint", target.isCurrent ? .red : .faint))
        }
        facts.append(Counted.text(target.count, "checkpoint", "checkpoints"))
        if !target.isCurrent { facts.append(terminal.paint("not in the last run", .faint)) }
        var lines = [
            "  \(target.name)", "    " + terminal.wrapRow(facts.joined(separator: "    "), indent: 4),
        ]
        if let failure = target.lastFailure {
            let reason = failure.error.map { ": \($0)" } ?? ""
            lines.append(
                "    "
                    + terminal.wrap(
                        "last failure \(moment(failure.at)), \(failure.outcome)\(reason)", indent: 6, first: 4
                    ))
        }
        return lines
    }

    private func moment(_ date: Date) -> String { LocalTime.shortText(date.timeIntervalSince1970) }
}

/// Spans of time for people, in one unit.
enum Age {
    /// `3 s`, `5 min`, `7 h`, `12 d`; of a future moment `0 s`.
    static func text(_ seconds: Double) -> String {
        let seconds = max(0, seconds)
        switch seconds {
        case ..<120: return "\(Int(seconds)) s"
        case ..<7200: return "\(Int(seconds / 60)) min"
        case ..<172_800: return "\(Int(seconds / 3600)) h"
        default: return "\(Int(seconds / 86400)) d"
        }
    }
}
