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
    ///
    /// The run is written down in the policy's history, and one that is not begun because another one goes on or because
    /// a signal came too.
    /// Nil with `ifDue` when no scheduled time has come that is not answered yet; nothing is written down then.
    package func apply(
        _ policy: Policy, saved: Plan? = nil, only: [String], occasion: RunOccasion = .manual,
        ifDue: Bool = false, stop: borrowing StopSignals, started: (DumpRequest) -> Void
    ) -> PolicyRun? {
        let recorder = RunRecorder(policy, occasion)
        var run = PolicyRun(policy: policy.name, keepsGoing: policy.batch.keepGoing)
        var due: UnixTime?
        do {
            let times = try HostSchedule().times(of: policy)
            if ifDue {
                due = try dueTime(policy, times, recorder)
                if due == nil { return nil }
            }
            if let signal = stop.received {
                let reason = "stopped by \(SignalName(signal))"
                run.error = "not begun: \(reason)"
                recorder.skipped(due: due, holder: nil, error: reason, into: &run.notes)
                return run
            }
            let lock = try PolicyLock.take(
                policy: policy.name, directory: lockDirectory, until: patience(policy, times), stop: stop)
            if ifDue {
                // The run that we waited for may have answered it.
                due = try dueTime(policy, times, recorder)
                if due == nil { return nil }
            }
            let begin = MonotonicClock.now()
            if let holder = lock.tookOverFrom {
                run.notes.append("the lock that pid \(holder.pid) left behind was taken over")
            }
            recorder.started(due: due, tookOverFrom: lock.tookOverFrom, into: &run.notes)
            let calls = RunCalls(policy, stop: stop.descriptor)
            do {
                if try calls.begin(&run) {
                    do {
                        try apply(policy, saved: saved, only: only, stop: stop, into: &run, started: started)
                        calls.failed(&run)
                    } catch {
                        run.error = "\(error)"
                    }
                    calls.end(&run)
                }
            } catch {
                run.error = "\(error)"
            }
            let milliseconds = (MonotonicClock.now() - begin) / 1_000_000
            recorder.finished(run, milliseconds: milliseconds, into: &run.notes)
        } catch {
            run.error = "\(error)"
            if case .held(_, let holder)? = error as? LockError {
                run.isLocked = true
                recorder.skipped(due: due, holder: holder, error: "\(error)", into: &run.notes)
            }
        }
        return run
    }

    /// The scheduled time that a run begun now would answer; nil when there is none.
    private func dueTime(
        _ policy: Policy, _ times: ScheduleTimes?, _ recorder: RunRecorder
    ) throws -> UnixTime? {
        guard let times else {
            throw ScheduleError(
                "policy \(policy.name)", "has no schedule, so nothing of it is ever due",
                remedy: "give it schedule.cron or schedule.every")
        }
        return times.decision(at: .now, answered: try recorder.lastAnswer()).time
    }

    /// Longest wait for another run of the policy, seconds.
    private static let longestWait: Int64 = 3600

    /// How long to wait for another run: not at all, or until the next run would wait as well.
    private func patience(_ policy: Policy, _ times: ScheduleTimes?) -> Deadline {
        guard policy.schedule.overlap == .wait else { return .after(milliseconds: 0) }
        let now = UnixTime.now
        let next = times?.next(after: now).map { $0 - now } ?? PolicyApplier.longestWait
        return .after(milliseconds: UInt64(min(max(0, next), PolicyApplier.longestWait)) * 1000)
    }

    private func apply(
        _ policy: Policy, saved: Plan?, only: [String], stop: borrowing StopSignals,
        into run: inout PolicyRun,
        started: (DumpRequest) -> Void
    ) throws {
        let maker = PlanMaker(host: host)
        var planned = try maker.plan(policy)
        if var saved {
            if !only.isEmpty { saved.targets = TargetGroups.only(only, of: saved.targets) }
            run.drift = try maker.drift(from: saved, to: planned.plan)
            if !run.drift.isEmpty { return }
            planned.plan.targets = saved.ready
        } else if !only.isEmpty {
            planned.plan.targets = TargetGroups.only(only, of: planned.plan.targets)
        }
        let plan = planned.plan
        run.plan = plan
        run.milliseconds = planned.milliseconds
        let ready = plan.ready
        if ready.isEmpty || (ready.count < plan.targets.count && !policy.batch.keepGoing) { return }
        try Store(path: policy.store.path).checkSpace(minimum: policy.store.minFree.bytes)
        let jobs = try ready.map {
            try request(policy, $0, isSaved: saved != nil, protected: planned.protected)
        }
        var runner = BatchRunner(parallel: policy.batch.parallel)
        runner.check = { [extent = policy.tree] in ProcessGroups.strangers(to: $1, in: $0, extent) }
        let replies = runner.run(jobs, stop: stop, started: started)
        run.results = zip(jobs, replies).map { TargetResult(target: $0.target, pid: $0.root, reply: $1) }
        if replies.contains(where: { $0.checkpoint?.isConfirmed == true }), policy.retention.isSet {
            run.pruned = Retainer(policy).prune(now: Date.now)
        }
    }

    private func request(
        _ policy: Policy, _ target: PlannedTarget, isSaved: Bool, protected: Set<PID>
    ) throws(StoreError) -> DumpRequest {
        let now = Date.now
        // Two runs may fall into one second, and the later one's checkpoint is the newer.
        let newest = try Store(path: policy.store.path).newest(policy: policy.name, target: target.name)
        var request = DumpRequest(
            policy: policy, target: target.name, root: target.pid, startTime: target.fingerprint.startTime,
            checkpoint: CheckpointName(at: now, after: newest), date: now, protected: protected.sorted(),
            planned: isSaved ? target.fingerprint : nil, version: version)
        request.group = target.group
        return request
    }
}
