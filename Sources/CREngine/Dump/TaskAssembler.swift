import CPlatform

/// Puts together what /proc, ptrace(2) and the task itself said about one process.
struct TaskAssembler {
    let facts: TaskFacts
    let frozen: FrozenProcess
    let remote: RemoteFacts

    /// The image of a process that lives, without memory, directories and descriptors. `cgroupSet` gives the number of
    /// a thread's set.
    func assemble(cgroupSet: ([CgroupRow]) -> UInt32) throws(DumpError) -> TaskImage {
        var threads: [ThreadImage] = []
        let places = Dictionary(
            facts.threads.enumerated().map { ($0.element.tid, $0.offset) },
            uniquingKeysWith: { first, _ in first })
        for frozenThread in frozen.threads {
            guard let known = places[frozenThread.tid].map({ facts.threads[$0] }) else {
                throw .cannotCarry("thread \(frozenThread.tid) of process \(facts.pid) was not seen in /proc")
            }
            var image = thread(known, frozenThread)
            image.cgroupSet = cgroupSet(known.cgroups ?? facts.cgroups)
            threads.append(image)
        }
        var task = TaskImage(
            pid: facts.pid, parent: facts.parent, pgid: facts.pgid, sid: facts.sid, state: state,
            threads: threads)
        task.process = process()
        return task
    }

    /// The image of a zombie.
    static func zombie(_ facts: TaskFacts, status: UInt32) -> TaskImage {
        TaskImage(
            pid: facts.pid, parent: facts.parent, pgid: facts.pgid, sid: facts.sid,
            state: .dead(status: status),
            threads: [ThreadImage(tid: facts.pid.leader, comm: facts.comm)])
    }

    private var state: TaskImage.State {
        if case .stopped(let signal) = frozen.state { return .stopped(signal: UInt32(signal)) }
        return .alive
    }

    private func process() -> ProcessImage {
        var image = ProcessImage()
        // CRIU reads the hexadecimal digits as decimal ones.
        image.personality = UInt32(facts.personality) ?? 0
        image.flags = facts.flags
        image.realTimer = remote.realTimer
        image.virtualTimer = remote.virtualTimer
        image.profilingTimer = remote.profilingTimer
        image.posixTimers = remote.posixTimers
        image.limits = facts.limits.map { LimitImage(soft: $0.soft, hard: $0.hard) }
        image.signalActions = remote.signalActions
        image.pendingSignals = WaitingTimers.told(remote.overruns, in: frozen.pendingSignals)
        image.loginuid = facts.loginuid
        image.oomScoreAdjust = facts.oomScoreAdjust
        image.coredumpFilter = facts.coredumpFilter
        if remote.deniesWriteExecute != 0 { image.deniesWriteExecute = remote.deniesWriteExecute }
        if remote.mergesMemory { image.mergesMemory = true }
        if remote.futureLocks != 0 { image.futureLocks = remote.futureLocks }
        if facts.exitSignal != 17 { image.exitSignal = facts.exitSignal }
        image.childSubreaper = remote.isChildSubreaper
        if let registrations = remote.membarrierRegistrations, registrations != 0 {
            image.membarrierRegistrations = registrations
        }
        return image
    }

    private func thread(_ known: ThreadFacts, _ frozen: FrozenThread) -> ThreadImage {
        var image = ThreadImage(tid: known.tid, comm: known.comm)
        image.registers = frozen.continuation.elsewhere
        // Kept for readers; whoever restores starts the call again by what the other registers say.
        image.registers.origAx = frozen.call
        image.xsave = frozen.xsave
        image.signalMask = frozen.signalMask
        image.rseq = frozen.rseq
        image.pendingSignals = WaitingTimers.told(self.remote.overruns, in: frozen.pendingSignals)
        let remote = self.remote.threads[known.tid] ?? RemoteFacts.Thread()
        image.clearTIDAddress = remote.tidAddress
        image.robustList = remote.robustList
        image.robustListLength = remote.robustListLength
        image.alternateStack = remote.alternateStack
        if remote.parentDeathSignal != 0 { image.parentDeathSignal = remote.parentDeathSignal }
        image.nice = known.nice
        image.schedulingPolicy = known.schedulingPolicy
        if known.realtimePriority != 0 { image.schedulingPriority = known.realtimePriority }
        image.affinity = known.affinity
        image.commBytes = known.commBytes
        image.timerSlack = remote.timerSlack
        image.memoryPolicy = remote.memoryPolicy
        image.ioPriority = known.ioPriority
        if known.slice != 0 { image.slice = known.slice }
        image.deadline = known.deadline
        if known.hasMachineCheckPolicy { image.isKilledEarly = known.isKilledEarly }
        if known.status.seccompMode != 0 { image.seccompMode = known.status.seccompMode }
        image.credentials = credentials(known.status, securebits: remote.securebits)
        return image
    }

    private func credentials(_ status: TaskStatus, securebits: UInt32) -> CredentialsImage {
        var image = CredentialsImage()
        image.uid = status.users.real
        image.euid = status.users.effective
        image.suid = status.users.saved
        image.fsuid = status.users.fileSystem
        image.gid = status.groups.real
        image.egid = status.groups.effective
        image.sgid = status.groups.saved
        image.fsgid = status.groups.fileSystem
        image.groups = status.supplementaryGroups
        image.inheritable = status.inheritable
        image.permitted = status.permitted
        image.effective = status.effective
        image.bounding = status.bounding
        image.ambient = status.ambient
        image.noNewPrivileges = status.hasNoNewPrivileges
        image.securebits = securebits
        return image
    }

    /// `mm-PID.img` without areas and pages.
    func memory(exeFile: UInt32) -> MemoryImage {
        var image = MemoryImage()
        image.startCode = facts.layout.startCode
        image.endCode = facts.layout.endCode
        image.startData = facts.layout.startData
        image.endData = facts.layout.endData
        image.startStack = facts.layout.startStack
        image.startBrk = facts.layout.startBrk
        image.brk = remote.brk
        image.argStart = facts.layout.argStart
        image.argEnd = facts.layout.argEnd
        image.envStart = facts.layout.envStart
        image.envEnd = facts.layout.envEnd
        // CRIU takes 44 words, the end mark among them where there is room; the kernel adds one at a restore.
        image.auxv = facts.auxv
        while image.auxv.count > 44, image.auxv.suffix(2) == [0, 0] { image.auxv.removeLast(2) }
        image.exeFile = exeFile
        image.dumpable = remote.dumpable
        image.thpDisabled = remote.thpDisabled
        return image
    }
}
