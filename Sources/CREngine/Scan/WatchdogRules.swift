import PolicyModel

/// Whether a pause can make systemd think that a service hangs; see WatchdogSec= in systemd.service(5).
enum WatchdogRules {
    /// With `leave-running` the budget must be shorter than the interval. Where the tree is killed afterwards the pause
    /// is only a risk for a dump that fails.
    static func findings(_ policy: Policy, in context: ScanContext) -> [Finding] {
        context.snapshot.tasks.compactMap { task in
            task.watchdog.flatMap { finding($0, task, policy.dump) }
        }
    }

    private static func finding(
        _ watchdog: WatchdogRequest, _ task: TaskFacts, _ dump: DumpSettings
    ) -> Finding? {
        let interval = Duration.microseconds(Int64(clamping: watchdog.microseconds))
        let half = interval / 2
        let object = FindingObject(pid: task.pid, key: "dump.freeze-budget")
        let every = "\(task.comm) must report to systemd every \(PauseText.text(interval))"
        let bearable = max(1, Int64(half / .milliseconds(1)))
        let remedy = "dump: {freeze-budget: \(bearable)ms, on-budget: abort}"
        guard dump.after == .leaveRunning else {
            return Finding(
                .watchdog, object, "\(every); a dump that takes longer and fails leaves it to be killed",
                severity: .warn, remedy: nil)
        }
        guard let budget = dump.freezeBudget, dump.onBudget == .abort else {
            return Finding(.watchdog, object, "\(every), and nothing bounds the pause", remedy: remedy)
        }
        if budget >= interval {
            return Finding(
                .watchdog, object, "\(every), the pause may take \(PauseText.text(budget))", remedy: remedy)
        }
        if budget > half {
            return Finding(
                .watchdog, object,
                "\(every), and a pause of \(PauseText.text(budget)) right before a report is too long",
                severity: .warn, remedy: remedy)
        }
        return nil
    }
}

/// A duration as policies write one: `500ms`, `2s`, with the greatest unit that says it whole.
enum PauseText {
    static func text(_ duration: Duration) -> String {
        let microseconds = Int64(duration / .microseconds(1))
        if microseconds % 1000 != 0 { return "\(microseconds)us" }
        let milliseconds = microseconds / 1000
        return milliseconds % 1000 == 0 ? "\(milliseconds / 1000)s" : "\(milliseconds)ms"
    }
}
