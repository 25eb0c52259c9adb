import FoundationEssentials
package import PolicyModel

/// Plans and executes one policy, alone with it on this host.
package struct PolicyApplier {
    private let host: HostFacts
    private let version: String
    private let lockDirectory: String

    package init(host: HostFacts, version: String, lockDirectory: String = PolicyLock.defaultDirectory) {
        self.host = host
        self.version = version
        self.lockDirectory = lockDirectory
    }

    /// Dumps the targets of a policy; `only` narrows them to those of a name or a pid.
    ///
    /// With a saved plan, exactly the targets that are ready in it, and none where one is another tree than then.
    /// Nothing is begun where the policy as a whole is blocked, where a target is and `batch.keep-going` is false, or
    /// where the store has too little room. `started` is called before each dump.
    package func apply(
        _ policy: Policy, saved: Plan? = nil, only: [String], stop: borrowing StopSignals,
        started: (DumpRequest) -> Void
    ) -> PolicyRun {
        var run = PolicyRun(policy: policy.name, keepsGoing: policy.batch.keepGoing)
        do {
            let lock = try PolicyLock(policy: policy.name, directory: lockDirectory)
            if let holder = lock.tookOverFrom {
                run.notes.append("the lock that pid \(holder.pid) left behind was taken over")
            }
            try apply(policy, saved: saved, only: only, stop: stop, into: &run, started: started)
        } catch {
            if case .held? = error as? LockError { run.isLocked = true }
            run.error = "\(error)"
        }
        return run
    }

    private func apply(
        _ policy: Policy, saved: Plan?, only: [String], stop: borrowing StopSignals,
        into run: inout PolicyRun,
        started: (DumpRequest) -> Void
    ) throws {
        var planned = try PlanMaker(host: host).plan(policy)
        if let saved {
            run.drift = PolicyApplier.drift(from: saved, to: planned.plan)
            if !run.drift.isEmpty { return }
            let names = Set(saved.ready.map(\.name))
            planned.plan.targets.removeAll { !names.contains($0.name) }
        }
        if !only.isEmpty {
            planned.plan.targets.removeAll { !only.contains($0.name) && !only.contains("\($0.pid)") }
        }
        let plan = planned.plan
        run.plan = plan
        run.milliseconds = planned.milliseconds
        let ready = plan.ready
        if ready.isEmpty || (ready.count < plan.targets.count && !policy.batch.keepGoing) { return }
        try Store(path: policy.store.path).checkSpace(minimum: policy.store.minFree.bytes)
        let jobs = try ready.map { try request(policy, $0, protected: planned.protected) }
        let replies = BatchRunner(parallel: policy.batch.parallel).run(jobs, stop: stop, started: started)
        run.results = zip(jobs, replies).map { TargetResult(target: $0.target, pid: $0.root, reply: $1) }
        if replies.contains(where: { $0.checkpoint?.isConfirmed == true }), policy.retention.isSet {
            run.pruned = Retainer(policy).prune(now: Date.now)
        }
    }

    /// How the trees that were ready differ now, one line each.
    static func drift(from saved: Plan, to now: Plan) -> [String] {
        guard saved.policyDigest == now.policyDigest else {
            return ["policy \(saved.policy): its values are not those that were planned"]
        }
        return saved.ready.flatMap { target in
            let label = "\(target.comm)[\(target.pid)]"
            guard let present = now.targets.first(where: { $0.name == target.name }) else {
                return ["\(label): it is gone, or the policy selects it no more"]
            }
            let changes = target.fingerprint.drift(to: present.fingerprint).map { "\(label): \($0)" }
            return changes + (present.isBlocked && changes.isEmpty ? ["\(label): it is blocked now"] : [])
        }
    }

    private func request(
        _ policy: Policy, _ target: PlannedTarget, protected: Set<PID>
    ) throws(StoreError) -> DumpRequest {
        let now = Date.now
        // Two runs may fall into one second, and the later one's checkpoint is the newer.
        let newest = try Store(path: policy.store.path).newest(policy: policy.name, target: target.name)
        return DumpRequest(
            policy: policy, target: target.name, root: target.pid, startTime: target.fingerprint.startTime,
            checkpoint: CheckpointName(at: now, after: newest), date: now, protected: protected.sorted(),
            version: version)
    }
}
