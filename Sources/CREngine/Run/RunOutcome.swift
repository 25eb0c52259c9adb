/// Who begins a run.
package enum RunOccasion: String, Codable, Sendable {
    case manual
    /// cron or systemd, at a scheduled time.
    case scheduled
}

/// What came of a run as a whole.
package enum RunOutcome: String, Codable, Sendable {
    /// All that was to be done.
    case done
    case partial
    case failed
    case blocked
    case drift
    /// on-no-match: fail
    case nothingMatched = "nothing-matched"
    /// A hook said "not now".
    case skipped
    /// A task was left stopped, or killed without a durable image.
    case unsafe
}

extension PolicyRun {
    package var outcome: RunOutcome {
        let replies = results.map(\.reply.outcome)
        if replies.contains(.unsafe) { return .unsafe }
        let fault: RunOutcome?
        if error != nil || replies.contains(.failed) {
            fault = .failed
        } else if !drift.isEmpty || replies.contains(.drifted) {
            fault = .drift
        } else if replies.contains(.blocked) || (plan?.blockerCount ?? 0) > 0 {
            let codes = (plan?.findings ?? []).filter { $0.severity == .block }.map(\.code)
            let isEmpty = replies.isEmpty && !codes.isEmpty && codes.allSatisfy { $0 == .nothingMatched }
            fault = isEmpty ? .nothingMatched : .blocked
        } else if isSkipped || replies.contains(.skipped) {
            fault = .skipped
        } else {
            fault = nil
        }
        guard let fault else { return .done }
        return replies.contains(.dumped) ? .partial : fault
    }
}
