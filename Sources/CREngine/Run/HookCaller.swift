import Glibc
package import PolicyModel

/// Calls a policy's hooks.
package struct HookCaller {
    private let hooks: [Hook]
    /// What every hook of this run is told, `CRPLAN_POLICY` and the like; see docs/hooks.md.
    private let environment: [(name: String, value: String)]
    private let stop: CalledProgram.Stop
    private let log: (String) -> Void

    /// `log` gets a line for each hook, and each line that one prints.
    init(
        _ hooks: [Hook], environment: [(name: String, value: String)],
        stop: CalledProgram.Stop = .cancellation, log: @escaping (String) -> Void
    ) {
        self.hooks = hooks
        self.environment = environment
        self.stop = stop
        self.log = log
    }

    /// For a restore, whose hooks are in the manifest.
    package init(
        _ hooks: [Hook], environment: [(name: String, value: String)], log: @escaping (String) -> Void
    ) {
        self.init(hooks, environment: environment, stop: .cancellation, log: log)
    }

    /// Where "not now" means something: nothing was done yet that cannot be undone.
    private static let mayBePutOff: Set<Hook.Stage> = [
        .beforeScan, .beforeFreeze, .frozen, .beforeThaw, .beforeRestore, .restored,
    ]

    /// Calls the hooks of a stage in the order of the policy, each with its timeout and at most until `deadline`.
    ///
    /// Throws for the first one that fails, unless its on-error is ignore; those after it are not called.
    package func call(
        _ stage: Hook.Stage, _ more: [(name: String, value: String)] = [], until deadline: Deadline? = nil
    ) throws(HookFailure) {
        for hook in hooks where hook.at == stage { try call(hook, more, deadline) }
    }

    /// Calls all hooks of a stage, however they end: when there is nothing left to fail. Gives what went wrong.
    package func callAll(
        _ stage: Hook.Stage, _ more: [(name: String, value: String)] = [], until deadline: Deadline? = nil
    ) -> [HookFailure] {
        var failures: [HookFailure] = []
        for hook in hooks where hook.at == stage {
            do throws(HookFailure) {
                try call(hook, more, deadline)
            } catch {
                failures.append(error)
            }
        }
        return failures
    }

    /// The same hooks, called even though this process was asked to end.
    func unstoppable() -> HookCaller {
        HookCaller(hooks, environment: environment, stop: .never, log: log)
    }

    private func call(
        _ hook: Hook, _ more: [(name: String, value: String)], _ deadline: Deadline?
    ) throws(HookFailure) {
        let subject = "hook \"\(hook.name)\" at \(hook.at.rawValue)"
        let own = Deadline.after(milliseconds: UInt64(max(1, hook.timeout / .milliseconds(1))))
        let isCutShort = deadline.map { $0 < own } ?? false
        var program = CalledProgram(words: hook.argv)
        program.environment =
            environment + more + [("CRPLAN_STAGE", hook.at.rawValue), ("CRPLAN_HOOK", hook.name)]
        log("\(subject): \(hook.argv.joined(separator: " "))")
        var last: String?
        let end = program.run(until: deadline.map { min($0, own) } ?? own, stop: stop) { line in
            log("\(subject) says: \(line)")
            if !line.isEmpty { last = line }
        }
        let fact: String
        switch end {
        case .exited(0): return
        case .exited(75) where HookCaller.mayBePutOff.contains(hook.at):
            log("\(subject) ended with exit 75")
            throw HookFailure(subject: subject, fact: "", effect: .notNow, exitCode: 75)
        case .exited(let code): fact = "ended with exit \(code)"
        case .killed(let signal): fact = "died of \(SignalName(signal))"
        case .timedOut where isCutShort: fact = "took longer than the pause may be, and was killed"
        case .timedOut: fact = "took longer than its timeout, \(hook.timeout), and was killed"
        case .cancelled: fact = "was killed, as the run was told to stop"
        case .notStarted(let errno): fact = "cannot be started: \(errno)"
        }
        let said = fact + (last.map { " (\($0))" } ?? "")
        log("\(subject) \(fact); on-error is \(hook.onError.rawValue)")
        var code: Int32 = 1
        if case .exited(let number) = end { code = number }
        switch hook.onError {
        case .ignore: return
        case .abort: throw HookFailure(subject: subject, fact: said, effect: .abortRun, exitCode: code)
        case .skip: throw HookFailure(subject: subject, fact: said, effect: .skip, exitCode: code)
        }
    }
}
