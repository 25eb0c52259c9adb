import CREngine
import PolicyModel

extension ExitStatus {
    /// What a plan's report means to a script.
    init(plan report: Report, failsOnWarnings: Bool) {
        let worst = report.runs.map(ExitStatus.plan)
        if let found = [.failed, .blocked, .nothingMatched].first(where: { worst.contains($0) }) {
            self = found
        } else {
            let hasWarnings = report.runs.contains { ($0.plan?.warningCount ?? 0) > 0 }
            self = failsOnWarnings && hasWarnings ? .warnings : .done
        }
    }

    /// What a run's report means to a script: an unsafe end above all, then whether all, some or nothing was done.
    init(apply report: Report) {
        let replies = report.runs.flatMap(\.results).map(\.reply.outcome)
        if replies.contains(.unsafe) {
            self = .unsafe
            return
        }
        let faults = report.runs.flatMap(ExitStatus.faults)
        let order: [ExitStatus] = [.failed, .drift, .blocked, .nothingMatched, .locked, .skipped]
        guard let worst = order.first(where: { faults.contains($0) }) else {
            self = .done
            return
        }
        self = replies.contains(.dumped) ? .partial : worst
    }

    private static func plan(_ run: PolicyRun) -> ExitStatus {
        guard let plan = run.plan, run.error == nil else { return .failed }
        let blockers = (plan.findings + plan.targets.flatMap(\.findings)).filter { $0.severity == .block }
        if blockers.isEmpty { return .done }
        return blockers.allSatisfy { $0.code == .nothingMatched } ? .nothingMatched : .blocked
    }

    private static func faults(_ run: PolicyRun) -> [ExitStatus] {
        if run.isLocked { return [.locked] }
        if run.isSkipped { return [.skipped] }
        if !run.drift.isEmpty { return [.drift] }
        if run.error != nil { return [.failed] }
        let planned = plan(run)
        let replies: [ExitStatus] = run.results.compactMap { result in
            switch result.reply.outcome {
            case .dumped, .unsafe: nil
            case .blocked: .blocked
            case .drifted: .drift
            case .failed: .failed
            case .skipped: .skipped
            }
        }
        return (planned == .done ? [] : [planned]) + replies
    }
}
