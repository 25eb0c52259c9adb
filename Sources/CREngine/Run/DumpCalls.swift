import PolicyModel

/// Whom a dump by policy calls at which stage: its hooks, and its action scripts where criu would call them.
struct DumpCalls {
    private let hooks: HookCaller
    private let scripts: ActionScripts
    private let root: PID

    init(_ request: DumpRequest, staged: borrowing StagedCheckpoint, images: Int32, log: EngineLog) {
        let checkpoint = Checkpoint(
            store: Store(path: request.policy.store.path), policy: request.policy.name,
            target: request.target, name: request.checkpoint)
        hooks = HookCaller(
            request.policy.hooks,
            environment: [
                ("CRPLAN_COMMAND", "apply"), ("CRPLAN_POLICY", request.policy.name),
                ("CRPLAN_STORE", request.policy.store.path), ("CRPLAN_TARGET", request.target),
                ("CRPLAN_PID", "\(request.root)"), ("CRPLAN_CHECKPOINT", checkpoint.path),
                ("CRPLAN_IMAGES", staged.imagesPath),
            ]
        ) { log.info($0) }
        scripts = ActionScripts(
            request.policy.actionScripts, imageDirectory: images, workDirectory: staged.path
        ) { log.info($0) }
        root = request.root
    }

    /// What `DumpExecutor` calls. The deadline is that of the pause.
    func call(_ stage: CallStage, _ deadline: Deadline?) throws(DumpError) {
        do throws(HookFailure) {
            switch stage {
            case .beforeFreeze:
                try hooks.call(.beforeFreeze)
                try scripts.call(.preDump, root: root)
            case .frozen: try hooks.call(.frozen, until: deadline)
            case .imagesComplete: try scripts.call(.postDump, root: root, until: deadline)
            case .beforeThaw: try hooks.call(.beforeThaw, until: deadline)
            case .thawed: try afterwards().call(.thawed, until: end())
            }
        } catch {
            throw .hook(error)
        }
    }

    /// When the checkpoint is in the store. Gives what went wrong.
    func published(_ checkpoint: Checkpoint) -> [HookFailure] {
        hooks.callAll(.published, [("CRPLAN_IMAGES", checkpoint.imagesPath)])
    }

    /// When the dump failed and the tree runs on. Gives what went wrong.
    func failed(_ error: DumpError) -> [HookFailure] {
        afterwards().callAll(.failed, [("CRPLAN_ERROR", "\(error)")], until: end())
    }

    /// What was begun is told to be over even if we are to end.
    private func afterwards() -> HookCaller {
        CalledProgram.Stop.cancellation.isCancelled ? hooks.unstoppable() : hooks
    }

    /// Who asked us to end waits for `BatchRunner.grace` at most.
    private func end() -> Deadline? {
        CalledProgram.Stop.cancellation.isCancelled ? .after(milliseconds: 4000) : nil
    }
}
