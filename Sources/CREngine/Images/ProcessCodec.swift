import CPlatform

// task_core_entry: what a leader's core says of the whole process.

extension ProcessImage {
    /// Signals 1...64 without SIGKILL and SIGSTOP.
    static let dispositionCount = 62
    /// RLIM_NLIMITS
    static let mostLimits = 16

    /// Fills all that this value holds into the message.
    func fill(_ message: inout TaskCoreEntry, in arena: MessageArena) {
        message.personality = personality
        message.flags = flags
        let timers = arena.make(task_timers_entry__init)
        timers.pointee.real = realTimer.message(in: arena)
        timers.pointee.virt = virtualTimer.message(in: arena)
        timers.pointee.prof = profilingTimer.message(in: arena)
        let posix = posixTimers.map { $0.message(in: arena) }
        (timers.pointee.n_posix, timers.pointee.posix) = (posix.count, arena.array(messages: posix))
        message.timers = timers
        let rows = limits.map { limit in
            let row = arena.make(rlimit_entry__init)
            row.pointee.cur = limit.soft
            row.pointee.max = limit.hard
            return row
        }
        let table = arena.make(task_rlimits_entry__init)
        (table.pointee.n_rlimits, table.pointee.rlimits) = (rows.count, arena.array(messages: rows))
        message.rlimits = table
        message.signals_s = SignalQueue.message(pendingSignals, in: arena)
        if let loginuid { (message.has_loginuid, message.loginuid) = (1, loginuid) }
        if let oomScoreAdjust { (message.has_oom_score_adj, message.oom_score_adj) = (1, oomScoreAdjust) }
        let actions = signalActions.map { $0.message(in: arena) }
        (message.n_sigactions, message.sigactions) = (actions.count, arena.array(messages: actions))
        if let childSubreaper {
            (message.has_child_subreaper, message.child_subreaper) = (1, childSubreaper ? 1 : 0)
        }
        if let membarrierRegistrations {
            (message.has_membarrier_registration_mask, message.membarrier_registration_mask) =
                (1, membarrierRegistrations)
        }
    }

    init(_ message: TaskCoreEntry, _ entry: ImageEntry) throws(ImageError) {
        guard let timers = message.timers?.pointee else { throw entry.error("lacks the timers") }
        guard let table = message.rlimits?.pointee else { throw entry.error("lacks the resource limits") }
        guard message.n_sigactions == Self.dispositionCount else {
            throw entry.error(
                "has \(message.n_sigactions) signal dispositions where \(Self.dispositionCount) belong")
        }
        guard table.n_rlimits <= Self.mostLimits else {
            throw entry.error("has \(table.n_rlimits) resource limits; \(Self.mostLimits) exist")
        }
        self.init()
        personality = message.personality
        flags = message.flags
        realTimer = try IntervalTimerImage(timers.real.pointee, entry)
        virtualTimer = try IntervalTimerImage(timers.virt.pointee, entry)
        profilingTimer = try IntervalTimerImage(timers.prof.pointee, entry)
        for timer: PosixTimerEntry in messageList(timers.posix, timers.n_posix) {
            posixTimers.append(try PosixTimerImage(timer, entry))
        }
        limits = messageList(table.rlimits, table.n_rlimits).map { (limit: RlimitEntry) in
            LimitImage(soft: limit.cur, hard: limit.max)
        }
        for action: SaEntry in messageList(message.sigactions, message.n_sigactions) {
            if action.compat_sigaction != 0 {
                throw entry.error("has signal handlers of 32-bit code, which is not supported")
            }
            signalActions.append(SignalActionImage(action))
        }
        pendingSignals = try SignalQueue.read(message.signals_s, entry)
        loginuid = given(message.has_loginuid, message.loginuid)
        oomScoreAdjust = given(message.has_oom_score_adj, message.oom_score_adj)
        childSubreaper = given(message.has_child_subreaper, message.child_subreaper != 0)
        membarrierRegistrations = given(
            message.has_membarrier_registration_mask, message.membarrier_registration_mask)
    }
}
