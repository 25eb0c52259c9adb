import Glibc
import TestSupport

/// The steps in which tracers die. A target that took harm is replaced, so that all losses are counted.
extension Run {
    /// So many losses are enough to know.
    private static let enoughLosses = 10

    private func tracerDeath() -> TracerDeath {
        TracerDeath(
            tool: options.tool, arguments: options.tracer, root: root,
            page: KillTargetPage(path: directory + "/run/" + (options.subjectArguments.last ?? "")),
            directory: directory, deadline: deadline)
    }

    /// Each point in turn, until the tool ends by itself. Returns what to report.
    mutating func killPoints(_ plan: KillPlan) throws(RunFailure) -> String {
        var losses: [String] = []
        var deaths = 0
        var point = plan.from
        try warmUp()
        var death = tracerDeath()
        while deaths < plan.count {
            let outcome = try death.die(at: point, plan)
            if case .ended = outcome { break }
            deaths += 1
            if try note(outcome, "point \(point), mode \(plan.mode.rawValue)", &losses) {
                death = tracerDeath()
            }
            point += plan.every
        }
        if plan.mayLeaveTraces && deaths > 0 && losses.isEmpty {
            _ = try note(try death.recover(), "the run after deaths of mode \(plan.mode.rawValue)", &losses)
        }
        return try summary(deaths, losses)
    }

    /// Deaths at moments that a generator chooses: the same fractions of the tool's time in each run.
    mutating func killRandomly(_ count: Int) throws(RunFailure) -> String {
        var losses: [String] = []
        try warmUp()
        var death = tracerDeath()
        let usual = try death.usualDuration()
        var state: UInt64 = 0x9e37_79b9_7f4a_7c15
        for turn in 0..<count {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let delay = usual * Double(state >> 11) / Double(1 << 53)
            let outcome = try death.die(after: delay, both: turn % 2 == 1)
            let isReplaced = try note(outcome, "turn \(turn), after \(Int(delay * 1e6)) us", &losses)
            if isReplaced { death = tracerDeath() }
        }
        if losses.isEmpty { _ = try note(try death.recover(), "the run after random deaths", &losses) }
        return try summary(count, losses)
    }

    /// Runs the tracer again and again. It may refuse, for a task has ended or the tree changes too fast; it may not
    /// crash, and it may hold nobody when it has ended. Returns how often it had its way.
    mutating func trace(_ count: Int) throws(RunFailure) -> String {
        var done = 0
        var refusals: Set<String> = []
        for turn in 0..<count {
            let (ending, log) = try tracerDeath().runOnce()
            if case .signal = ending {
                throw RunFailure("the tool ended with \(ending) in turn \(turn)", log: log)
            }
            if ending == .exit(0) { done += 1 } else { refusals.insert(log) }
            var held: [String] = []
            _ = poll(until: min(deadline, now() + 10)) {
                held = Fingerprint(root: root).held().filter { !$0.hasSuffix("gone") && !$0.hasSuffix("T") }
                return held.isEmpty
            }
            if !held.isEmpty {
                throw RunFailure("held after turn \(turn): " + held.joined(separator: "; "), log: log)
            }
        }
        if done == 0 { throw RunFailure("the tool never had its way", log: refusals.sorted().joined()) }
        return "\(done) of \(count)" + refusals.sorted().map { "; " + trimmed($0) }.joined()
    }

    /// Lets the target reach a state in which its own mappings no longer change.
    private func warmUp() throws(RunFailure) {
        let faults = tracerDeath().page.faults(turns: 130, until: min(deadline, now() + 30))
        if !faults.isEmpty {
            throw RunFailure("the target is not well before: " + faults.joined(separator: "; "))
        }
    }

    /// Counts a loss; true when the target was replaced for it.
    private mutating func note(
        _ outcome: TracerDeath.Outcome, _ what: String, _ losses: inout [String]
    ) throws(RunFailure) -> Bool {
        guard case .harmed(let faults) = outcome else { return false }
        losses.append("\(what): " + faults.joined(separator: "; "))
        // At once: the run may go on for long.
        let line = Array("subject-runner: loss at \(losses[losses.count - 1])\n".utf8)
        _ = Glibc.write(2, line, line.count)
        if losses.count >= Self.enoughLosses { throw failure(losses) }
        try replaceSubject()
        try warmUp()
        return true
    }

    private func summary(_ deaths: Int, _ losses: [String]) throws(RunFailure) -> String {
        if !losses.isEmpty { throw failure(losses) }
        return "\(deaths) deaths, 0 losses"
    }

    private func failure(_ losses: [String]) -> RunFailure {
        RunFailure("\(losses.count) losses", log: losses.joined(separator: "\n"))
    }
}
