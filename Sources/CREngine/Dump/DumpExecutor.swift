import CPlatform
import Glibc
import PolicyModel

/// Dumps one tree into an image directory: freeze, look again, decide again, ask, copy, let go or kill.
///
/// Until `after: kill` has made the images durable, any error leaves the tree running as it was. Runs on one thread of
/// a process that does nothing else; the frozen tree belongs to that thread.
package struct DumpExecutor {
    private let options: DumpOptions
    private let log: EngineLog
    private let faults: FaultPoints

    package init(options: DumpOptions, log: EngineLog, faults: FaultPoints = FaultPoints()) {
        self.options = options
        self.log = log
        self.faults = faults
    }

    /// `judge` decides on the frozen tree as the planner did on the running one, and throws what blocks.
    /// `meet` is called at each stage but the last two, which are for who publishes: it waits for other trees.
    /// `beforeEnd` runs when the images are complete and synced; a tree that does not run on is still stopped then.
    /// `call` is for programs of the operator; its deadline is that of the pause. `alsoExternal` tells what, of the frozen
    /// tree, is to be taken for external besides `options.allow`, in the spelling of --external; `judge` must know it too.
    package func run(
        into directory: borrowing OwnedFD, judge: (Snapshot) throws(DumpError) -> Void,
        meet: (DumpStage) throws(DumpError) -> Void = { _ in },
        call: (CallStage, Deadline?) throws(DumpError) -> Void = { _, _ in },
        alsoExternal: (Snapshot) throws(DumpError) -> [String] = { _ in [] },
        beforeEnd: (DumpOutcome) throws(DumpError) -> Void = { _ in }
    ) throws(DumpError) -> DumpOutcome {
        var isOwedThaw = false
        do throws(DumpError) {
            return try dump(
                into: directory, judge: judge, meet: meet,
                call: { (stage, deadline) throws(DumpError) -> Void in
                    isOwedThaw = stage != .beforeFreeze && stage != .thawed
                    try call(stage, deadline)
                }, alsoExternal: alsoExternal, beforeEnd: beforeEnd)
        } catch {
            // Whoever prepared for the pause must hear of its end; the error that ended it is the one to be told.
            if isOwedThaw {
                do throws(DumpError) {
                    try call(.thawed, nil)
                } catch {
                    log.error("\(error)")
                }
            }
            throw error
        }
    }

    private func dump(
        into directory: borrowing OwnedFD, judge: (Snapshot) throws(DumpError) -> Void,
        meet: (DumpStage) throws(DumpError) -> Void,
        call: (CallStage, Deadline?) throws(DumpError) -> Void,
        alsoExternal: (Snapshot) throws(DumpError) -> [String],
        beforeEnd: (DumpOutcome) throws(DumpError) -> Void
    ) throws(DumpError) -> DumpOutcome {
        cp_rescue_install()
        cp_cancellation_install()
        let buildIDs = BuildIDCache(isWanted: options.findsBuildIDs)
        let paths = WatchPathSearch(
            directories: options.watchSearchPaths, isForced: options.forcesWatchSearch)
        let supervisorStart = try startSupervisor()
        let notes = KernelNotes()
        notes.begin()
        let live = try settled(paths, notes, judge)
        try NetworkDump.check(live, options)
        buildIDs.prepare(live)
        let tracking = try PageTracking(options, images: directory, log: log)
        try call(.beforeFreeze, nil)
        notes.prepare(for: live)
        let supervisor = try watch(supervisorStart)
        log.info("Supervisor \(supervisor.supervisor) watches")
        Transfers.awaitGoodMoment(live)
        log.flush()

        let begin = MonotonicClock.now()
        let pause = PauseClock(options.after == .leaveRunning ? options.pauseLimit : nil)
        let group = try options.freezeCgroup.map { (path) throws(DumpError) in try CgroupFreezer(path) }
        let wasFrozen = try group?.isFrozen() ?? false
        // Before the tree is let go, which happens behind this.
        defer { if wasFrozen { try? group?.freezeAgain() } }
        var tree =
            if let group {
                try freeze(group, wasFrozen: wasFrozen, pause, supervisor.notes)
            } else {
                try freeze(pause, supervisor.notes)
            }
        let frozen = MonotonicClock.now()
        log.info("Seized \(tree.processes.count) processes")
        faults.pass("the tree is seized")
        var snapshot = try collect(.frozen, notes, earlier: live)
        paths.resolve(&snapshot)
        buildIDs.spare(snapshot)
        var options = self.options
        options.allow.external += try alsoExternal(snapshot)
        try judge(snapshot)
        try pause.check()
        let runID = try Self.runID()
        let network = try NetworkDump(
            snapshot, options, runID: runID, journal: supervisor.journal, firstPlace: tree.processes.count,
            notes: supervisor.notes, faults: faults)
        if network.isLocked {
            log.info("Locked connections by \(network.lockName)")
            // Until now the peers could change them.
            snapshot.sockets = SocketScan.facts(of: snapshot.openFiles, in: snapshot)
            try judge(snapshot)
        }
        try meet(.frozen)
        try call(.frozen, pause.deadline)

        let links = LinkRemaps(
            isAllowed: options.allow.linkRemap, notes: supervisor.notes, view: snapshot.view,
            mounts: snapshot.mounts,
            acting: snapshot.userNamespace.flatMap { ActingIDs($0.users, $0.groups) })
        var builder = try DumpBuilder(
            snapshot: snapshot, options: options, buildIDs: buildIDs, links: links, notes: supervisor.notes,
            network: network, tracking: tracking, directory: directory, pause: pause)
        let clocks = try readClocks()
        let standIns = Landlock.isThere ? try StandIns(snapshot) : nil
        for place in order(of: tree, in: snapshot) {
            let process = tree.processes[place]
            log.debug("Process \(process.pid), \(process.threads.count) threads")
            let remote = try ask(
                process, place, snapshot, &tree, tracking.writes, supervisor.journal, standIns, notes)
            try builder.add(remote, tree.processes[place])
        }
        standIns?.end()
        faults.pass("every process was asked")
        let copied = MonotonicClock.now()
        try tracking.link(directory)
        try builder.copyContents(supervisor.journal, notes)
        faults.pass("contents are copied")
        let memoryTime = (MonotonicClock.now() - copied) / 1000
        let image = try builder.finish(clocks: clocks, runID: runID, network: network)
        try meet(.copied)

        var outcome = DumpOutcome(tree: image, snapshot: snapshot)
        outcome.helperNames = links.records
        outcome.freezingTime = (frozen - begin) / 1000
        outcome.memoryTime = memoryTime
        outcome.pagesScanned = builder.pages.pagesScanned
        outcome.pagesWritten = builder.pages.pagesWritten
        outcome.pagesInParent = builder.pages.pagesInParent
        outcome.cutTransfers = Transfers.cut(tree.processes, snapshot)
        for cut in outcome.cutTransfers { log.warning("\(cut)") }
        try pause.check()

        switch options.after {
        case .leaveRunning:
            if options.writesWhileFrozen {
                try write(image, builder, to: directory, outcome)
                try call(.imagesComplete, pause.deadline)
            }
            try call(.beforeThaw, pause.deadline)
            try network.release()
            if wasFrozen { try group?.freezeAgain() }
            tree.thaw()
            outcome.frozenTime = (MonotonicClock.now() - frozen) / 1000
            let ran = pause.elapsed
            try call(.thawed, nil)
            outcome.pauseExcess = try pause.judge(ran)
            if !options.writesWhileFrozen { try write(image, builder, to: directory, outcome) }
            try publish(links, tracking, runID, directory, outcome, beforeEnd)
            // Only now: without a checkpoint, names that were made for it are to go.
            try retire(supervisor)
        case .leaveStopped:
            try write(image, builder, to: directory, outcome)
            try call(.imagesComplete, nil)
            outcome.frozenTime = (MonotonicClock.now() - frozen) / 1000
            try publish(links, tracking, runID, directory, outcome, beforeEnd)
            try network.release()
            if wasFrozen { try group?.freezeAgain() }
            tree.thawStopped()
            outcome.frozenTime = (MonotonicClock.now() - frozen) / 1000
            try retire(supervisor)
        case .kill:
            try write(image, builder, to: directory, outcome)
            try call(.imagesComplete, nil)
            outcome.frozenTime = (MonotonicClock.now() - frozen) / 1000
            outcome.lock = network.staying
            try publish(links, tracking, runID, directory, outcome, beforeEnd)
            try kill(tree, supervisor, network)
            outcome.frozenTime = (MonotonicClock.now() - frozen) / 1000
        }
        log.info("Dumping finished successfully")
        log.flush()
        return outcome
    }

    /// Places of the frozen processes, each parent right before all that descends from it, as CRIU numbers them.
    private func order(of tree: borrowing FrozenTree, in snapshot: Snapshot) -> [Int] {
        let ranks = Dictionary(
            snapshot.tasks.enumerated().map { ($0.element.pid, $0.offset) },
            uniquingKeysWith: { first, _ in first })
        return tree.processes.indices.sorted {
            ranks[tree.processes[$0].pid, default: .max] < ranks[tree.processes[$1].pid, default: .max]
        }
    }

    /// Names the dump; a UUID, as CRIU has it.
    private static func runID() throws(DumpError) -> String {
        do throws(Errno) {
            let text = try OwnedFD.open("/proc/sys/kernel/random/uuid", O_RDONLY).readToEnd()
            return String(decoding: text.prefix(36), as: UTF8.self)
        } catch {
            throw .environment("/proc/sys/kernel/random/uuid cannot be read: \(error)")
        }
    }

    /// A look at the running tree, judged. What blocks is looked at again, as it may be there for an instant only; and a tree that
    /// changes under the look is judged when it is frozen.
    private func settled(
        _ paths: WatchPathSearch, _ notes: KernelNotes, _ judge: (Snapshot) throws(DumpError) -> Void
    ) throws(DumpError) -> Snapshot {
        var live = try collect(.beforeFreeze, notes)
        paths.resolve(&live)
        guard live.events.isEmpty else { return live }
        do throws(DumpError) {
            try judge(live)
        } catch {
            live = try collect(.beforeFreeze, notes)
            paths.resolve(&live)
            if live.events.isEmpty { try judge(live) }
        }
        return live
    }

    private func collect(
        _ scope: Collector.Scope, _ notes: KernelNotes, earlier: Snapshot? = nil
    ) throws(DumpError) -> Snapshot {
        do throws(CollectorError) {
            return try Collector.collect(
                root: options.root, scope: scope, notes: notes, earlier: earlier)
        } catch {
            throw .environment("\(error)")
        }
    }

    /// Seizes the tree; while the group that is its own stands still, if it outruns us and has one.
    private func freeze(_ pause: PauseClock, _ notes: UndoNotes) throws(DumpError) -> FrozenTree {
        if let place = TreeGroup.frozenGroup(of: options.root) {
            throw .environment(
                "process \(options.root) is in \(place), which is frozen; thaw it, or dump with --freeze-cgroup \(place)"
            )
        }
        do throws(DumpError) {
            if faults.isOutrun { throw .trace(.outrun(root: options.root)) }
            return try seize(pause, isPatient: false)
        } catch {
            guard case .trace(.outrun) = error else { throw error }
        }
        guard let owned = TreeGroup.find(options.root) else { return try seize(pause) }
        let group = try CgroupFreezer(owned.directory)
        log.info("The tree outruns its seizing; \(owned.directory) is frozen for a moment")
        return try freeze(group, wasFrozen: false, isExact: { owned.holdsExactlyTheTree }, pause, notes)
    }

    /// Seizes the tree while its group stands still. `group` is left thawed, or as it was where the tree cannot be seized.
    ///
    /// `isExact`: whether the frozen group is of this tree alone. Where it is not, it is thawed, and the tree seized without it.
    private func freeze(
        _ group: CgroupFreezer, wasFrozen: Bool, isExact: () -> Bool = { true }, _ pause: PauseClock,
        _ notes: UndoNotes
    ) throws(DumpError) -> FrozenTree {
        do throws(Errno) {
            // It stays: a tree that was found frozen is to be so again, and a thawed one stays thawed.
            _ = try notes.add(group.note(wasFrozen: wasFrozen))
        } catch {
            throw .environment("the undo journal cannot be written: \(error)")
        }
        faults.pass("before the group is frozen")
        var seized: Set<TID> = []
        do throws(DumpError) {
            if !wasFrozen { try group.freeze(seizeDeadline(pause)) }
            faults.pass("the group is frozen")
            if isExact() { seized = group.seize(below: options.root) }
            faults.pass("the frozen group is seized")
            try group.thaw()
            faults.pass("the group is thawed")
            return try seize(pause)
        } catch {
            try? group.thaw()
            Freezer.release(seized)
            throw error
        }
    }

    private func seize(_ pause: PauseClock, isPatient: Bool = true) throws(DumpError) -> FrozenTree {
        do throws(TraceError) {
            return try FrozenTree.freeze(
                root: options.root, deadline: seizeDeadline(pause), isPatient: isPatient)
        } catch {
            try pause.check()
            throw .trace(error)
        }
    }

    private func seizeDeadline(_ pause: PauseClock) -> Deadline {
        let timeout = Deadline.after(milliseconds: options.freezeTimeout)
        return pause.deadline.map { min($0, timeout) } ?? timeout
    }

    /// Early, so that it is there when the tree was looked at.
    private func startSupervisor() throws(DumpError) -> SupervisorStart {
        do throws(Errno) {
            return try SupervisorStart()
        } catch {
            throw .environment("the supervisor that undoes after a crash cannot be started: \(error)")
        }
    }

    private func watch(_ start: consuming SupervisorStart) throws(DumpError) -> SupervisorHandle {
        do throws(Errno) {
            return try start.awaitWatch()
        } catch {
            throw .environment("the supervisor that undoes after a crash does not watch: \(error)")
        }
    }

    private func retire(_ supervisor: consuming SupervisorHandle) throws(DumpError) {
        do throws(Errno) {
            try supervisor.finish()
        } catch {
            throw .environment("the undo journal cannot be closed: \(error)")
        }
    }

    private func readClocks() throws(DumpError) -> ClockImage {
        do throws(Errno) {
            return try TreeClocks.read(options.root)
        } catch {
            throw .task(options.root, "its clocks cannot be read", error)
        }
    }

    /// What only the process can tell; then, as its handlers are known, how interrupted calls of it go on.
    private func ask(
        _ process: FrozenProcess, _ place: Int, _ snapshot: Snapshot, _ tree: inout FrozenTree,
        _ writes: WriteTracker?, _ journal: borrowing UndoJournal, _ standIns: StandIns?,
        _ notes: KernelNotes
    ) throws(DumpError) -> RemoteFacts {
        guard process.state != .zombie else { return RemoteFacts() }
        guard let facts = snapshot.task(process.pid), let status = facts.threads.first?.status else {
            throw .environment("process \(process.pid) was frozen and is not in /proc")
        }
        do throws(TraceError) {
            let filters = try SeccompReader.read(process, facts)
            for thread in facts.threads where thread.status.seccompMode != 0 {
                let fatal = SeccompHazard.fatalCalls(
                    filters[thread.tid] ?? [], isStrict: thread.status.seccompMode == 1)
                if fatal.isEmpty { continue }
                log.warning(
                    "thread \(thread.tid): its seccomp kills for \(fatal.joined(separator: ", ")); if this worker is "
                        + "killed amid such a call, the thread is too")
            }
            let places = try RemotePlaces.find(process.pid)
            // By id, as who restores them counts up to each.
            let timers = facts.posixTimers.sorted { $0.id < $1.id }.map { row in
                var timer = PosixTimerImage()
                timer.id = row.id
                timer.clock = UInt32(bitPattern: row.clock(leader: status.namespaceIDs.last))
                timer.signal = row.signal
                timer.notify = row.notify
                timer.sigval = row.sigval
                if row.notify & 4 != 0 { timer.notifyThread = row.target }
                return timer
            }
            var request = RemoteProbe.Request(
                places: places, nonDefaultSignals: status.caught | status.ignored, posixTimers: timers,
                strangers: standIns?.strangers(facts) ?? [:])
            request.strictThreads = Set(facts.threads.filter { $0.status.seccompMode == 1 }.map(\.tid))
            request.policies = facts.nodePolicies
            request.semaphores = snapshot.systemV.adjustable(by: facts)
            request.hasOwnIPC = snapshot.ownNamespaceKinds.contains(.ipc)
            request.notes = notes.threads(of: process)
            let probe = RemoteProbe(process: process, request: request, faults: faults, writes: writes)
            var remote = try probe.run(tree, journal: journal, place: place)
            remote.seccompFilters = filters
            try tree.lookAgainForSignals(
                process: place, ignored: status.ignored | Self.ignoredByDefault & ~status.caught,
                caught: status.caught, restarting: remote.restartingHandlers)
            let overruns = WaitingTimers(remote.posixTimers, tree.processes[place])
            if !overruns.isEmpty {
                if let known = notes.timers(of: process.pid) {
                    remote.overruns = overruns.counts(known)
                } else {
                    log.warning(
                        "process \(process.pid): timers \(overruns.list) went off more often than their waiting signals "
                            + "will tell, as only a kernel with BTF tells how often, to CAP_BPF and CAP_PERFMON"
                    )
                }
            }
            return remote
        } catch {
            throw .trace(error)
        }
    }

    /// SIGCHLD, SIGCONT, SIGURG and SIGWINCH; see signal(7).
    private static let ignoredByDefault: UInt64 = 1 << 16 | 1 << 17 | 1 << 22 | 1 << 27

    private func write(
        _ image: TreeImage, _ builder: borrowing DumpBuilder, to directory: borrowing OwnedFD,
        _ outcome: DumpOutcome
    ) throws(DumpError) {
        do throws(ImageError) {
            try ImageSet.write(image, to: directory)
            if options.notesProcessor { try ProcessorImage.ofThisMachine().write(to: directory) }
            faults.pass("images are written")
            var stats = DumpStatsImage()
            stats.freezingTime = UInt32(clamping: outcome.freezingTime)
            stats.frozenTime = UInt32(clamping: outcome.frozenTime)
            stats.memoryDumpTime = UInt32(clamping: outcome.memoryTime)
            stats.memoryWriteTime = UInt32(clamping: outcome.memoryTime)
            stats.pagesScanned = outcome.pagesScanned
            stats.pagesWritten = outcome.pagesWritten
            stats.pagesInParent = outcome.pagesInParent
            try stats.write(to: directory)
        } catch {
            throw .imageFormat("\(error)")
        }
        do throws(Errno) {
            try DurableDirectory.sync(directory)
        } catch {
            throw .image("the image directory", error)
        }
    }

    /// Names that were made for the images stay from the moment on in which these are published.
    private func publish(
        _ links: LinkRemaps, _ tracking: PageTracking, _ runID: String, _ directory: borrowing OwnedFD,
        _ outcome: DumpOutcome,
        _ beforeEnd: (DumpOutcome) throws(DumpError) -> Void
    ) throws(DumpError) {
        if let images = options.publishedImages { try links.announce(images, of: directory) }
        faults.pass("before publishing")
        try beforeEnd(outcome)
        faults.pass("after publishing")
        try links.keep()
        tracking.writes?.handOver(runID)
    }

    /// From the first kill on there is no way back: should we die, the supervisor knows that the rest must die too.
    private func kill(
        _ tree: consuming FrozenTree, _ supervisor: consuming SupervisorHandle,
        _ network: NetworkDump
    ) throws(DumpError) {
        do throws(DumpError) {
            try network.commit()
        } catch {
            network.abandon()
            throw error
        }
        do throws(Errno) {
            for (place, process) in tree.processes.enumerated() where process.state != .zombie {
                try supervisor.journal.set(.init(pid: process.pid, startTime: process.startTime), at: place)
            }
            try supervisor.journal.setPhase(.killing)
        } catch {
            network.abandon()
            throw .environment("the undo journal cannot be written: \(error)")
        }
        faults.pass("before the kill")
        do throws(TraceError) {
            try tree.kill()
        } catch {
            throw .trace(error)
        }
        try retire(supervisor)
    }
}
