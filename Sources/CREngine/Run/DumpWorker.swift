import CPlatform
import FoundationEssentials
import Glibc
import PolicyModel

/// What a worker process does: one tree from the freeze to the confirmed checkpoint.
///
/// The checkpoint is published between the last image and the kill, so that nothing is killed before its checkpoint is
/// whole and durable.
package struct DumpWorker {
    private let request: DumpRequest

    package init(_ request: DumpRequest) { self.request = request }

    /// Reads the request from descriptor 3, does it, and writes the reply to descriptor 4.
    ///
    /// Should the process that asked end, the kernel sends us SIGTERM, and the tree is let go.
    package static func serve() throws(Errno) {
        let input = OwnedFD(taking: 3)
        let output = OwnedFD(taking: 4)
        for fd in [input.rawValue, output.rawValue] { _ = fcntl(fd, F_SETFD, FD_CLOEXEC) }
        let asker = getppid()
        let setDeathSignal = 1
        try systemCall(CP_SYS_prctl, setDeathSignal, Int(SIGTERM))
        if getppid() != asker || asker == 1 { return }
        let reply: DumpReply
        do {
            let request = try JSONDecoder().decode(DumpRequest.self, from: Data(try input.readToEnd()))
            if request.group != nil { _ = fcntl(5, F_SETFD, FD_CLOEXEC) }
            reply = DumpWorker(request).run()
        } catch {
            reply = DumpReply(.failed, error: "the worker's request cannot be read: \(error)")
        }
        guard let bytes = try? JSONEncoder().encode(reply) else { throw .invalid }
        try output.writeAll(Array(bytes))
    }

    /// Dumps the tree. Every way it can end is in the reply.
    package func run() -> DumpReply {
        var state = State()
        do {
            try dump(&state)
            var reply = DumpReply(.dumped)
            reply.findings = state.findings
            reply.checkpoint = state.record
            reply.warnings = state.warnings
            return reply
        } catch {
            var reply = DumpReply(outcome(of: error, state), error: "\(error)")
            if case .hook(let failure)? = error as? DumpError, failure.effect == .abortRun {
                state.isRunOver = true
            }
            if state.isRunOver { reply.endsRun = true }
            if reply.outcome == .failed, isTransient(error) { reply.isTransient = true }
            reply.findings = state.findings
            reply.checkpoint = state.record
            reply.warnings = state.warnings
            return reply
        }
    }

    /// What is known so far, whatever happens next.
    private struct State {
        var findings: [Finding] = []
        var record: CheckpointRecord?
        var warnings: [String] = []
        /// A hook failed whose on-error is abort.
        var isRunOver = false
        var isBlocked: Bool { findings.contains { $0.severity == .block } }
        /// How the frozen tree differs from the saved plan.
        var drift: [String] = []
    }

    private func outcome(of error: any Error, _ state: State) -> DumpReply.Outcome {
        if case .hook(let failure)? = error as? DumpError {
            return failure.effect == .skip || failure.effect == .notNow ? .skipped : .failed
        }
        if !state.drift.isEmpty { return .drifted }
        return state.isBlocked ? .blocked : .failed
    }

    /// Whether another try may go well: the error passes by itself, and the tree is still there.
    private func isTransient(_ error: any Error) -> Bool {
        guard let error = error as? DumpError, error.isTransient else { return false }
        return ((try? ProcessLife.of(request.root)) ?? nil)?.startTime == request.startTime
    }

    private func dump(_ state: inout State) throws {
        let policy = request.policy
        guard try ProcessLife.of(request.root)?.startTime == request.startTime else {
            throw DumpError.environment(
                "process \(request.root) is not the one that the plan found; plan again")
        }
        let store = Store(path: policy.store.path)
        try store.checkSpace(minimum: policy.store.minFree.bytes)
        var staged = try StagedCheckpoint(
            in: store, policy: policy.name, target: request.target, name: request.checkpoint)
        let log = try EngineLog(path: staged.logPath, level: .info)
        var options = DumpOptions(root: request.root, after: .init(policy.dump.after))
        options.freezeTimeout = UInt64(max(1, policy.dump.freezeTimeout / .milliseconds(1)))
        options.publishedImages = staged.publishedImagesPath
        options.writesWhileFrozen = !policy.actionScripts.isEmpty
        if let budget = policy.dump.freezeBudget {
            options.pauseLimit = PauseLimit(
                nanoseconds: UInt64(max(1, budget / .nanoseconds(1))), aborts: policy.dump.onBudget == .abort)
        }
        let seat = request.group.map {
            GroupSeat(OwnedFD(taking: 5), group: $0, patience: options.freezeTimeout)
        }
        options.allow = policy.allow
        options.networkLock = policy.dump.networkLock
        options.cgroups = policy.dump.cgroups
        switch policy.allow.ghostLimit {
        case .bytes(let limit): options.ghostLimit = limit.bytes
        case .auto: options.ghostLimit = .max
        }
        let images = try staged.images()
        let earlier = try EarlierCheckpoint.choose(
            for: request.target, policy, in: store, images: images, log: log)
        options.tracksMemory = policy.dump.incremental.map { $0.fullEvery > 1 } ?? false
        var parent: CheckpointName?
        switch earlier {
        case .some(let earlier): (parent, options.previousImages) = (earlier.name, earlier.images)
        case .none: break
        }
        let calls = DumpCalls(request, staged: staged, images: images.rawValue, log: log)
        var found: [Finding] = []
        var published: Checkpoint?
        do {
            let outcome = try DumpExecutor(options: options, log: log).run(into: images) {
                (snapshot) throws(DumpError) in
                state.drift = try drift(of: snapshot)
                if let line = state.drift.first {
                    throw .cannotCarry("the frozen tree is not the one that was planned: \(line)")
                }
                found = DumpPlanner.findings(policy, snapshot, protected: Set(request.protected))
                if let blocker = found.first(where: { $0.severity == .block }) {
                    throw .cannotCarry(
                        "the frozen tree does not fit the policy: \(blocker.code.rawValue) \(blocker.what)")
                }
            } meet: { (stage) throws(DumpError) in
                try seat?.meet(stage)
            } call: { (stage, deadline) throws(DumpError) in
                try calls.call(stage, deadline)
            } beforeEnd: { (outcome) throws(DumpError) in
                found += outcome.cutTransfers.map(Finding.init)
                try seat?.meet(.written)
                if outcome.pagesInParent == 0 { parent = nil }
                if parent == nil { try PageTracking.unlink(images) }
                let checkpoint = try publish(&staged, outcome, found, parent: parent)
                do throws(DumpError) {
                    try seat?.meet(.published)
                } catch {
                    // All of a group or none: one that could not publish takes the others' checkpoints with it.
                    try withdraw(checkpoint)
                    throw error
                }
                published = checkpoint
            }
            state.findings = found
            withExtendedLifetime(earlier) {}
            if let excess = outcome.pauseExcess { state.warnings.append(excess) }
            guard let published else { return }
            state.record = record(published, outcome)
        } catch {
            state.findings = found
            if case .found(let finding) = error { state.findings.append(finding) }
            log.error("\(error)")
            log.error("Dumping FAILED.")
            if case .hook(let failure) = error, failure.effect == .skip || failure.effect == .notNow {
                throw error
            }
            state.warnings += calls.failed(error).map { "\($0)" }
            if let published {
                throw DumpError.environment("\(published.id) was published, and then: \(error)")
            }
            throw error
        }
        try confirm(published, &state)
        guard let published else { return }
        let failures = calls.published(published)
        log.flush()
        for failure in failures where failure.effect == .skip { state.warnings.append("\(failure)") }
        if let failure = failures.first(where: { $0.effect != .skip }) {
            state.isRunOver = true
            throw DumpError.environment("\(published.id) was published, and then: \(failure)")
        }
    }

    private func drift(of snapshot: Snapshot) throws(DumpError) -> [String] {
        guard let planned = request.planned, let root = snapshot.task(snapshot.root) else { return [] }
        do throws(StoreError) {
            return planned.drift(to: try TreeFingerprint(snapshot, root: root))
        } catch {
            throw .environment("\(error)")
        }
    }

    private func publish(
        _ staged: inout StagedCheckpoint, _ outcome: DumpOutcome, _ findings: [Finding],
        parent: CheckpointName?
    ) throws(DumpError) -> Checkpoint {
        do throws(StoreError) {
            var manifest = Manifest(
                checkpoint: staged.name, created: request.date, madeBy: request.version,
                policy: .init(name: request.policy.name, digest: try request.policy.digest()),
                target: request.target, after: request.policy.dump.after,
                tree: outcome.snapshot.tasks.map(Manifest.Task.init), host: .collect())
            manifest.parent = parent
            manifest.restore = .init(request.policy.restore)
            manifest.restore.noteCalls(of: request.policy)
            manifest.restore.mounts = MountOutside(outcome.snapshot, request.policy.allow)
            let joins: Set<FindingCode> = [.shellJob, .groupOutside, .controllingTerminal]
            if findings.contains(where: { $0.severity == .allowed && joins.contains($0.code) }) {
                manifest.restore.shellJob = true
            }
            manifest.networkLock = outcome.lock.map {
                Manifest.NetworkLockRecord($0, by: request.policy.dump.networkLock)
            }
            if !outcome.helperNames.isEmpty { manifest.helperNames = outcome.helperNames }
            manifest.allowed = findings.filter { $0.severity == .allowed }.map(Manifest.Allowed.init)
            manifest.times = .init(outcome)
            try staged.write("report.json", try report(findings))
            return try staged.publish(manifest)
        } catch {
            throw .environment("\(error)")
        }
    }

    private func withdraw(_ checkpoint: Checkpoint) throws(DumpError) {
        do throws(StoreError) {
            try StagedCheckpoint.withdraw(checkpoint)
        } catch {
            throw .environment("\(error)")
        }
    }

    /// This tree's part of the run's report, as far as it is known before the end.
    private func report(_ findings: [Finding]) throws(StoreError) -> [UInt8] {
        var reply = DumpReply(.dumped)
        reply.findings = findings
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let result = TargetResult(target: request.target, pid: request.root, reply: reply)
        guard let bytes = try? encoder.encode(result) else {
            throw StoreError(.failed, "report.json", "cannot be encoded")
        }
        return Array(bytes) + [UInt8(ascii: "\n")]
    }

    private func record(_ checkpoint: Checkpoint, _ outcome: DumpOutcome) -> CheckpointRecord {
        let bytes = (try? checkpoint.manifest().bytes) ?? 0
        return CheckpointRecord(
            id: checkpoint.id, path: checkpoint.path, bytes: bytes, times: .init(outcome), isConfirmed: false)
    }

    /// Reads everything back. A mismatch does not undo the dump, it keeps `latest` where it is and is told.
    private func confirm(_ checkpoint: Checkpoint?, _ state: inout State) throws {
        guard let checkpoint else { return }
        let problems = try checkpoint.confirm()
        if problems.isEmpty {
            state.record?.isConfirmed = true
        } else {
            state.warnings += problems.map { "\(checkpoint.id): \($0)" }
        }
    }
}

extension Manifest.Times {
    init(_ outcome: DumpOutcome) {
        self.init()
        freezing = outcome.freezingTime
        frozen = outcome.frozenTime
        memoryDump = outcome.memoryTime
        memoryWrite = outcome.memoryTime
    }
}

extension Manifest.Task {
    init(_ task: TaskFacts) {
        self.init(
            pid: task.pid, parent: task.parent, comm: task.comm, exe: task.exe?.path,
            threads: task.threads.count)
    }
}

extension Manifest.Allowed {
    init(_ finding: Finding) {
        let place = finding.object.pid.map { pid in
            " (pid \(pid)" + (finding.object.fd.map { " fd \($0)" } ?? "") + ")"
        }
        self.init(
            code: finding.code.rawValue, object: finding.what + (place ?? ""), sentence: finding.why,
            allowance: finding.remedy ?? "", criuOption: finding.criu, atRestore: nil)
    }
}

extension Finding {
    /// A transfer that the stop cut short.
    init(_ cut: Transfers.Cut) {
        self.init(
            .transferCut, FindingObject(pid: cut.pid, tid: cut.tid, fd: cut.fd),
            "\(cut.what), cut short after \(cut.done)")
    }
}

extension DumpOptions.After {
    init(_ after: DumpSettings.After) {
        switch after {
        case .kill: self = .kill
        case .leaveRunning: self = .leaveRunning
        case .leaveStopped: self = .leaveStopped
        }
    }
}
