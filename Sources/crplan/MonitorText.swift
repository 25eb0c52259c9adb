import ArgumentParser
import CREngine
import FoundationEssentials

/// Statuses as a Nagios plugin tells them: one line, a bar, performance data. See the Monitoring Plugins guidelines.
enum NagiosText {
    /// In Nagios's order of badness: a critical policy counts more than an unknown one, that more than a warning.
    private static let order: [PolicyStatus.State] = [.critical, .unknown, .warning]

    private static func worst(_ statuses: [PolicyStatus]) -> PolicyStatus.State {
        if statuses.isEmpty { return .unknown }
        return order.first { state in statuses.contains { $0.state == state } } ?? .ok
    }

    static func exit(_ statuses: [PolicyStatus]) -> ExitCode {
        switch worst(statuses) {
        case .ok: ExitCode(0)
        case .warning: ExitCode(1)
        case .critical: ExitCode(2)
        case .unknown: ExitCode(3)
        }
    }

    static func line(_ statuses: [PolicyStatus], now: Date) -> String {
        let state = worst(statuses)
        let bad = statuses.filter { $0.state == state && state != .ok }
        let targets = statuses.flatMap { $0.targets.filter(\.isCurrent) }
        let summary =
            bad.isEmpty
            ? (statuses.isEmpty
                ? "no policies"
                : Counted.text(statuses.count, "policy", "policies") + ", "
                    + Counted.text(targets.count, "target", "targets"))
            : bad.map { "\($0.policy): \($0.reasons.first ?? $0.state.rawValue)" }.joined(separator: "; ")
        var data: [String] = []
        for status in statuses {
            for target in status.targets where target.isCurrent {
                let label = "'\(plain(status.policy))/\(plain(target.name))"
                if let created = target.created {
                    data.append("\(label) age'=\(max(0, Int(now.timeIntervalSince(created))))s;;;0")
                }
                if let bytes = target.bytes { data.append("\(label) size'=\(bytes)B;;;0") }
            }
        }
        let head = "CRPLAN \(state.rawValue.uppercased()) - \(plain(summary))"
        return data.isEmpty ? head : "\(head) | \(data.joined(separator: " "))"
    }

    /// Without what would end the line or the text: bars, quotes and line breaks.
    static func plain(_ text: String) -> String {
        String(text.map { "|'\n\r=".contains($0) ? " " : $0 })
    }
}

/// Statuses in the text format of Prometheus, for the node exporter's textfile collector.
enum PrometheusText {
    private struct Metric {
        var name: String
        var help: String
        /// Labels and value.
        var samples: [([(String, String)], Double)]
    }

    static func render(_ statuses: [PolicyStatus]) -> String {
        metrics(statuses).filter { !$0.samples.isEmpty }.map { metric in
            let samples = metric.samples.map { labels, value in
                let list = labels.map { "\($0)=\"\(escaped($1))\"" }.joined(separator: ",")
                return "\(metric.name){\(list)} \(number(value))\n"
            }
            return "# HELP \(metric.name) \(metric.help)\n# TYPE \(metric.name) gauge\n" + samples.joined()
        }.joined()
    }

    private static func metrics(_ statuses: [PolicyStatus]) -> [Metric] {
        func policies(_ name: String, _ help: String, _ value: (PolicyStatus) -> Double?) -> Metric {
            Metric(
                name: "crplan_policy_\(name)", help: help,
                samples: statuses.compactMap { status in
                    value(status).map { ([("policy", status.policy)], $0) }
                }
            )
        }
        func targets(_ name: String, _ help: String, _ value: (PolicyStatus.Target) -> Double?) -> Metric {
            Metric(
                name: "crplan_target_\(name)", help: help,
                samples: statuses.flatMap { status in
                    status.targets.filter(\.isCurrent).compactMap { target in
                        value(target).map { ([("policy", status.policy), ("target", target.name)], $0) }
                    }
                })
        }
        return [
            policies("ok", "Whether nothing is wrong with the policy.") { $0.state == .ok ? 1 : 0 },
            policies("late", "Whether no run was begun when it was due.") { $0.isLate ? 1 : 0 },
            policies("last_run_timestamp_seconds", "When the last run was begun.") {
                $0.lastRun?.started.timeIntervalSince1970
            },
            policies("last_run_duration_seconds", "How long the last run took.") { status in
                status.lastRun.flatMap { run in run.finished?.timeIntervalSince(run.started) }
            },
            policies("last_run_success", "Whether the last run did all that was to be done.") { status in
                status.lastRun.flatMap {
                    $0.finished == nil ? nil : $0.outcome == RunOutcome.done.rawValue ? 1 : 0
                }
            },
            policies("next_run_timestamp_seconds", "The next scheduled time.") {
                $0.nextRun?.timeIntervalSince1970
            },
            targets("checkpoint_timestamp_seconds", "When the newest good checkpoint was made.") {
                $0.created?.timeIntervalSince1970
            },
            targets("checkpoint_size_bytes", "Size of the newest good checkpoint.") {
                $0.bytes.map(Double.init)
            },
            targets("frozen_seconds", "Pause of the tree for the newest good checkpoint.") {
                $0.frozen.map { Double($0) / 1e6 }
            },
            targets("late", "Whether the newest good checkpoint is older than the schedule allows.") {
                $0.isLate ? 1 : 0
            },
        ]
    }

    private static func escaped(_ text: String) -> String {
        text.reduce(into: "") { result, character in
            switch character {
            case "\\": result += "\\\\"
            case "\"": result += "\\\""
            case "\n": result += "\\n"
            default: result.append(character)
            }
        }
    }

    /// Whole numbers without a point.
    private static func number(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15 ? "\(Int64(value))" : "\(value)"
    }
}
