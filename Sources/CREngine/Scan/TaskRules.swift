import PolicyModel

/// The scan rules of processes and threads: everything that is neither a file nor a mapping.
enum TaskRules {
    static func findings(_ task: TaskFacts, in context: ScanContext) -> [Finding] {
        let snapshot = context.snapshot
        let place = FindingObject(pid: task.pid)
        if task.isKernelThread { return [Finding(.kernelThread, place, "kernel thread \(task.comm)")] }
        var found = leaders(task, in: context)
        let parent = snapshot.task(task.parent)
        if task.exitSignal != 17, task.isZombie || !isBornOfParent(task, parent) {
            found.append(Finding(.exitSignal, place, "exit signal \(task.exitSignal)"))
        }
        if task.isZombie {
            if task.pid == snapshot.root {
                found.append(Finding(.rootIsZombie, place, "\(task.comm), ended"))
            }
            if task.leaderHasEnded {
                found.append(Finding(.leaderEnded, place, "\(task.comm), of which other threads go on"))
            }
            return found
        }
        found += identity(task, in: context)
        found += sharing(task, snapshot)
        found += NamespaceRules.findings(task, in: context)
        for thread in task.threads { found += self.thread(thread, task, snapshot) }
        for (name, link) in [("program", task.exe), ("working directory", task.cwd)] {
            guard let link else { continue }
            var object = place
            object.path = link.path
            object.inode = link.facts?.inode
            if link.reach == .notAPath {
                found.append(Finding(.memfd, object, "\(name) \(link.path)"))
                continue
            }
            found += NamedFile.findings(link.path, link.facts, link.reach, at: object, in: context).map {
                var finding = $0
                finding.what = "\(name) \($0.what)"
                return finding
            }
        }
        return found
    }

    /// Session and process group must have their leader in the tree, or be those of the shell that started it.
    private static func leaders(_ task: TaskFacts, in context: ScanContext) -> [Finding] {
        let snapshot = context.snapshot
        var found: [Finding] = []
        let object = FindingObject(pid: task.pid)
        let job = ShellJob(snapshot)
        if let (number, leader) = givenSession(task, in: context) {
            let what = leader.isAlive ? leader.description : ", whose leader has ended"
            found.append(
                Finding(
                    .givenSession, object, "session \(number) of the pid namespace that is given" + what))
        } else if let leader = snapshot.outsideLeaders[task.sid], !isCarried(leader, task.sid, in: context) {
            let isAllowed = context.allow.shellJob && job?.session == task.sid
            found.append(
                Finding(
                    leader.isAlive || isAllowed ? .shellJob : .deadSessionLeader, object,
                    "session \(task.sid)" + leader.description,
                    severity: isAllowed ? .allowed : nil))
        }
        if let leader = snapshot.outsideLeaders[task.pgid], task.pgid != task.sid,
            !isCarried(leader, task.pgid, in: context)
        {
            let isAllowed = context.allow.shellJob && job?.group == task.pgid
            found.append(
                Finding(
                    leader.isAlive || isAllowed ? .groupOutside : .deadGroupLeader, object,
                    "process group \(task.pgid)" + leader.description,
                    severity: isAllowed ? .allowed : nil))
        }
        return found
    }

    /// The session of the root, where its leader is no task of the tree and has its number in a pid namespace that a restore is
    /// given: the root is born there into a session of outside, and has only its own number to make one of.
    private static func givenSession(
        _ task: TaskFacts, in context: ScanContext
    ) -> (number: Int32, leader: OutsideProcess)? {
        let snapshot = context.snapshot
        guard snapshot.label(of: .pid, context.allow) != nil, let root = snapshot.task(snapshot.root),
            task.sid == root.sid, let leader = snapshot.outsideLeaders[root.sid],
            let number = root.status.namespaceSessions.last, number != 0
        else { return nil }
        return (number, leader)
    }

    /// A leader that has ended is stood in for at restore, unless somebody outside the tree keeps its number taken. In a
    /// pid namespace of its own the tree sees of any session outside that it is there, and its terminal.
    private static func isCarried(_ leader: OutsideProcess, _ id: PID, in context: ScanContext) -> Bool {
        if context.snapshot.ownNamespaceKinds.contains(.pid), leader.terminal == nil { return true }
        if leader.isAlive || leader.survivor != nil { return false }
        let job = ShellJob(context.snapshot)
        return !(context.allow.shellJob && (job?.session == id || job?.group == id))
    }

    private static func identity(_ task: TaskFacts, in context: ScanContext) -> [Finding] {
        var found: [Finding] = []
        let object = FindingObject(pid: task.pid)
        found += terminal(task, in: context)
        if let label = task.securityLabel, label != context.snapshot.ownSecurityLabel,
            !label.hasPrefix("unconfined")
        {
            found.append(Finding(.securityLabel, object, "label \(label)"))
        }
        if task.status.isDumpingCore { found.append(Finding(.dumpingCore, object, task.comm)) }
        // In a mount namespace of the tree's own each task but the first, whose root is the namespace's, may have one.
        let mayChange = context.snapshot.mounts != nil && task.pid != context.snapshot.root
        if let root = task.rootDirectory, root.path != "/", !(mayChange && root.reach == .same) {
            found.append(Finding(.changedRoot, object, "root directory \(root.path)"))
        }
        if !task.areas.isEmpty,
            !task.areas.contains(where: { $0.start > UInt64(UInt32.max) && $0.kind != .vsyscall })
        {
            found.append(Finding(.program32, object, task.comm))
        }
        for timer in task.posixTimers
        where timer.isOfUnknownThread && timer.clockOwner == nil && task.threads.count > 1 {
            found.append(Finding(.threadTimer, object, "timer \(timer.id), CLOCK_THREAD_CPUTIME_ID"))
        }
        if task.status.sharedPending != 0 {
            found.append(
                Finding(.pendingSignals, object, "signals \(numbers(task.status.sharedPending)) pending"))
        }
        return found
    }

    /// A process has the terminal of its session, and the tree has its master or is a job on it.
    private static func terminal(_ task: TaskFacts, in context: ScanContext) -> [Finding] {
        let snapshot = context.snapshot
        let object = FindingObject(pid: task.pid)
        func name(_ terminal: DeviceNumber) -> String {
            (136...143).contains(terminal.major)
                ? "/dev/pts/\((terminal.major - 136) << 20 | terminal.minor)" : "terminal \(terminal)"
        }
        if let terminal = task.terminal {
            let terminals = TreeTerminals(snapshot)
            if terminals.hasMaster(of: terminal) { return [] }
            // The leader takes it again, and opened it is by a slave of the tree.
            let isOrphan =
                context.allow.orphanMasters == true && snapshot.task(task.sid) != nil
                && terminals.hasSlave(of: terminal)
            let isAllowed = isOrphan || context.allow.shellJob && ShellJob(snapshot)?.session == task.sid
            return [
                Finding(
                    .controllingTerminal, object, "controlling terminal \(name(terminal))",
                    severity: isAllowed ? .allowed : nil)
            ]
        }
        let leader = snapshot.task(task.sid)
        guard let terminal = leader?.terminal ?? snapshot.outsideLeaders[task.sid]?.terminal else {
            return []
        }
        return [
            Finding(.terminalMissing, object, "without \(name(terminal)), which its session \(task.sid) has")
        ]
    }

    private static func sharing(_ task: TaskFacts, _ snapshot: Snapshot) -> [Finding] {
        var found: [Finding] = []
        func shared(_ code: FindingCode, _ other: PID, _ what: String) {
            if other == task.pid { return }
            let object = FindingObject(pid: task.pid, peer: "\(other)")
            found.append(Finding(code, object, "\(what) shared with \(other)"))
        }
        // The parent of vfork(2) waits where no signal but SIGKILL reaches it; other clones let it go on.
        let parent = snapshot.task(task.parent)
        let isVfork = parent?.threads.contains { $0.uninterruptibleIn != nil } ?? false
        shared(isVfork ? .vforked : .sharedMemorySpace, task.sharing.memory, "address space")
        if task.sharing.files != parent?.sharing.files || !isBornOfParent(task, parent) {
            shared(.sharedFileTable, task.sharing.files, "descriptor table")
        }
        if task.sharing.fileSystem != parent?.sharing.fileSystem || !isBornOfParent(task, parent) {
            shared(.sharedFileSystem, task.sharing.fileSystem, "directories and umask")
        }
        shared(.sharedHandlers, task.sharing.signalHandlers, "signal handlers")
        return found
    }

    /// Whether a restore makes it as its parent's child, and not as a brother of another one.
    private static func isBornOfParent(_ task: TaskFacts, _ parent: TaskFacts?) -> Bool {
        guard let parent else { return false }
        return !parent.isZombie && (task.sid == parent.sid || task.sid == task.pid)
    }

    private static func thread(
        _ thread: ThreadFacts, _ task: TaskFacts, _ snapshot: Snapshot
    ) -> [Finding] {
        var found: [Finding] = []
        let object = FindingObject(pid: task.pid, tid: thread.tid)
        func add(_ code: FindingCode, _ what: String) { found.append(Finding(code, object, what)) }
        if thread.isKernelWorker {
            add(.kernelWorker, "thread \(thread.tid) \(thread.comm)")
            return found
        }
        if thread.status.seccompMode != 0, snapshot.ownSeccompMode != 0 {
            add(
                .seccomp,
                thread.status.seccompMode == 1
                    ? "strict seccomp" : "\(thread.status.seccompFilters) seccomp filters")
        }
        if thread.status.tracer != 0, thread.status.tracer != snapshot.collector.rawValue {
            add(.traced, "traced by \(thread.status.tracer)")
        }
        if let place = thread.uninterruptibleIn { add(.uninterruptible, "in the kernel at \(place)") }
        if thread.status.pending != 0 {
            add(.pendingSignals, "signals \(numbers(thread.status.pending)) pending")
        }
        if !thread.status.shadowStack.isEmpty {
            add(.shadowStack, "thread with \(thread.status.shadowStack)")
        }
        if !thread.sharesFilesWithLeader || !thread.sharesFileSystemWithLeader {
            add(.threadOwnFiles, "thread \(thread.tid)")
        }
        if thread.isFlusher { add(.flusher, "thread \(thread.tid)") }
        // A filter brings it along on kernels that mitigate for it, and will at restore.
        if thread.status.limitsSpeculation, thread.status.seccompMode == 0 {
            add(.lostSetting, "speculation control of thread \(thread.tid)")
        }
        if thread.hasCoreCookie { add(.lostSetting, "core scheduling cookie of thread \(thread.tid)") }
        // What we make it do uses up its time, so that it would be told of an overrun.
        if let deadline = thread.deadline, deadline.tellsOverrun {
            add(.lostSetting, "SCHED_FLAG_DL_OVERRUN of thread \(thread.tid)")
        }
        if thread.clampsUtilisation { add(.lostSetting, "utilisation clamps of thread \(thread.tid)") }
        if thread.namespaces != nil { add(.threadNamespace, "thread \(thread.tid)") }
        if let groups = thread.cgroups,
            groups.first(where: \.isUnified) != task.cgroups.first(where: \.isUnified)
        {
            add(.threadCgroup, "thread \(thread.tid)")
        }
        return found
    }

    private static func numbers(_ mask: UInt64) -> String {
        (1...64).filter { mask & 1 << UInt64($0 - 1) != 0 }.map(String.init).joined(separator: ", ")
    }
}
