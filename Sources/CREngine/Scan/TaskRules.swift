import PolicyModel

/// The scan rules of processes and threads: everything that is neither a file nor a mapping.
enum TaskRules {
    static func findings(_ task: TaskFacts, in context: ScanContext) -> [Finding] {
        let snapshot = context.snapshot
        let place = FindingObject(pid: task.pid)
        if task.isKernelThread { return [Finding(.kernelThread, place, "kernel thread \(task.comm)")] }
        var found = leaders(task, in: context)
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
        found += NamespaceRules.findings(task, snapshot)
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
        if let leader = snapshot.outsideLeaders[task.sid] {
            let isAllowed = context.allow.shellJob && job?.session == task.sid
            found.append(
                Finding(
                    leader.isAlive || isAllowed ? .shellJob : .deadSessionLeader, object,
                    "session \(task.sid)" + (leader.isAlive ? " of \(leader.comm)[\(leader.pid)]" : ""),
                    severity: isAllowed ? .allowed : nil))
        }
        if let leader = snapshot.outsideLeaders[task.pgid], task.pgid != task.sid {
            let isAllowed = context.allow.shellJob && job?.group == task.pgid
            found.append(
                Finding(
                    leader.isAlive || isAllowed ? .groupOutside : .deadGroupLeader, object,
                    "process group \(task.pgid)"
                        + (leader.isAlive ? " of \(leader.comm)[\(leader.pid)]" : ""),
                    severity: isAllowed ? .allowed : nil))
        }
        return found
    }

    private static func identity(_ task: TaskFacts, in context: ScanContext) -> [Finding] {
        let snapshot = context.snapshot
        var found: [Finding] = []
        let object = FindingObject(pid: task.pid)
        if let terminal = task.terminal, !TreeTerminals(snapshot).hasMaster(of: terminal) {
            let name =
                (136...143).contains(terminal.major)
                ? "/dev/pts/\((terminal.major - 136) << 20 | terminal.minor)" : "terminal \(terminal)"
            let isAllowed = context.allow.shellJob && ShellJob(snapshot)?.session == task.sid
            found.append(
                Finding(
                    .controllingTerminal, object, "controlling terminal \(name)",
                    severity: isAllowed ? .allowed : nil))
        }
        if task.exitSignal != 17 {
            found.append(Finding(.exitSignal, object, "exit signal \(task.exitSignal)"))
        }
        if task.status.isDumpingCore { found.append(Finding(.dumpingCore, object, task.comm)) }
        if let root = task.rootDirectory, root.path != "/" {
            found.append(Finding(.changedRoot, object, "root directory \(root.path)"))
        }
        if !task.areas.isEmpty,
            !task.areas.contains(where: { $0.start > UInt64(UInt32.max) && $0.kind != .vsyscall })
        {
            found.append(Finding(.program32, object, task.comm))
        }
        for timer in task.posixTimers where timer.isOfUnknownThread && task.threads.count > 1 {
            found.append(Finding(.threadTimer, object, "timer \(timer.id), CLOCK_THREAD_CPUTIME_ID"))
        }
        if task.status.sharedPending != 0 {
            found.append(
                Finding(.pendingSignals, object, "signals \(numbers(task.status.sharedPending)) pending"))
        }
        return found
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
        shared(.sharedFileTable, task.sharing.files, "descriptor table")
        shared(.sharedFileSystem, task.sharing.fileSystem, "directories and umask")
        shared(.sharedHandlers, task.sharing.signalHandlers, "signal handlers")
        return found
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
        if thread.status.seccompMode != 0 {
            add(
                .seccomp,
                thread.status.seccompMode == 1
                    ? "strict seccomp" : "\(thread.status.seccompFilters) seccomp filters")
        }
        if thread.status.tracer != 0, thread.status.tracer != snapshot.collector.rawValue {
            add(.traced, "traced by \(thread.status.tracer)")
        }
        if thread.schedulingPolicy & 0xff == 6 { add(.deadlineScheduling, "SCHED_DEADLINE") }
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
        if thread.hasMachineCheckPolicy { add(.machineCheckPolicy, "thread \(thread.tid)") }
        if thread.namespaces != nil { add(.threadNamespace, "thread \(thread.tid)") }
        if thread.cgroups != nil { add(.threadCgroup, "thread \(thread.tid)") }
        return found
    }

    private static func numbers(_ mask: UInt64) -> String {
        (1...64).filter { mask & 1 << UInt64($0 - 1) != 0 }.map(String.init).joined(separator: ", ")
    }
}
