import PolicyModel

/// The hooks that a run calls itself, not one of its workers: at its beginning, at its end, and for workers that died.
struct RunCalls {
    private let policy: Policy
    private let hooks: HookCaller

    /// `stop` becomes readable when the run is to end. A run has no log of its own: of what hooks print, the last line
    /// is in the error of one that fails.
    init(_ policy: Policy, stop: Int32) {
        self.policy = policy
        hooks = HookCaller(
            policy.hooks,
            environment: [
                ("CRPLAN_COMMAND", "apply"), ("CRPLAN_POLICY", policy.name),
                ("CRPLAN_STORE", policy.store.path),
            ], stop: .readable(stop)
        ) { _ in }
    }

    /// Calls the hooks of `before-scan`. False where one of them wants the run to be left out; throws where one fails.
    func begin(_ run: inout PolicyRun) throws -> Bool {
        // A policy that is blocked as a whole has no run.
        guard policy.unsupportedKeys().isEmpty else { return true }
        do throws(HookFailure) {
            try hooks.call(.beforeScan)
            return true
        } catch {
            guard error.effect == .notNow || error.effect == .skip else { throw error }
            run.isSkipped = true
            run.notes.append("\(error)")
            return false
        }
    }

    /// Calls the hooks of `thawed` and `failed` for trees whose worker died before it could: which of them were called
    /// nobody knows.
    func failed(_ run: inout PolicyRun) {
        for result in run.results where result.reply.workerDied == true {
            let more = [
                ("CRPLAN_TARGET", result.target), ("CRPLAN_PID", "\(result.pid)"),
                ("CRPLAN_ERROR", result.reply.error ?? ""),
            ]
            for stage in [Hook.Stage.thawed, .failed] {
                run.notes += hooks.unstoppable().callAll(stage, more).map { "\(result.target): \($0)" }
            }
        }
    }

    /// Calls the hooks of `run-end`, whatever came of the run.
    func end(_ run: inout PolicyRun) {
        guard policy.unsupportedKeys().isEmpty else { return }
        let dumped = run.results.count { $0.reply.outcome == .dumped }
        var more = [
            ("CRPLAN_DUMPED", "\(dumped)"),
            ("CRPLAN_NOT_DUMPED", "\((run.plan?.targets.count ?? 0) - dumped)"),
        ]
        if let error = run.error { more.append(("CRPLAN_ERROR", error)) }
        for failure in hooks.unstoppable().callAll(.runEnd, more) {
            if failure.effect == .abortRun, run.error == nil {
                run.error = "\(failure)"
            } else {
                run.notes.append("\(failure)")
            }
        }
    }
}
