package import PolicyModel

/// Whom a restore calls at which stage: hooks out of the manifest, and action scripts where criu calls them.
package final class RestoreCalls {
    private let hooks: HookCaller
    private let scripts: ActionScripts
    private let log: EngineLog
    /// The hook that put the restore off, if one did.
    package private(set) var putOff: HookFailure?

    /// `environment` is what every hook is told of the checkpoint; see docs/hooks.md.
    package init(
        _ hooks: [Hook], environment: [(name: String, value: String)], scripts: ActionScripts, log: EngineLog
    ) {
        self.hooks = HookCaller(hooks, environment: [("CRPLAN_COMMAND", "restore")] + environment) {
            log.info($0)
        }
        self.scripts = scripts
        self.log = log
    }

    /// Before anything is made, and before anything is looked at: a script may put files in their place.
    package func begin() throws(RestoreError) {
        try failing { () throws(HookFailure) in
            try hooks.call(.beforeRestore)
            try scripts.call(.preRestore, root: nil)
        }
    }

    /// What `RestoreExecutor` calls.
    package func call(_ stage: RestoreStage, _ root: PID) throws(RestoreError) {
        switch stage {
        case .namespacesMade:
            try failing { () throws(HookFailure) in
                try scripts.call(.setupNamespaces, root: root)
                try scripts.call(.postSetupNamespaces, root: root)
            }
        case .masterMade(let master):
            try failing { () throws(HookFailure) in try scripts.giveMaster(master) }
        case .networkRelease:
            told { () throws(HookFailure) in try scripts.call(.networkUnlock, root: root) }
        case .complete:
            try failing { () throws(HookFailure) in
                try scripts.call(.postRestore, root: root)
                try hooks.call(.restored, [("CRPLAN_PID", "\(root)")])
            }
        case .beforeResume: told { () throws(HookFailure) in try scripts.call(.preResume, root: root) }
        }
    }

    /// When the tree runs. Gives what went wrong.
    package func end(_ root: PID) -> [HookFailure] {
        told { () throws(HookFailure) in try scripts.call(.postResume, root: root) }
        return hooks.unstoppable().callAll(.resumed, [("CRPLAN_PID", "\(root)")])
    }

    /// When nothing was restored. Gives what went wrong.
    package func failed(_ error: String) -> [HookFailure] {
        hooks.unstoppable().callAll(.failed, [("CRPLAN_ERROR", error)])
    }

    private func failing(_ body: () throws(HookFailure) -> Void) throws(RestoreError) {
        do throws(HookFailure) {
            try body()
        } catch {
            if error.effect == .skip || error.effect == .notNow { putOff = error }
            throw RestoreError(error.subject, "\(error.fact.isEmpty ? "said \"not now\"" : error.fact)")
        }
    }

    /// A stage where it is too late to fail, as criu has it.
    private func told(_ body: () throws(HookFailure) -> Void) {
        do throws(HookFailure) {
            try body()
        } catch {
            log.error("\(error)")
        }
    }
}
