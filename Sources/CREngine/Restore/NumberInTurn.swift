import CPlatform
import Glibc

/// Tasks that get the number that comes next, where the kernel lets their maker choose none.
///
/// In a user namespace of its own, but in our pid namespace, a task may not name the numbers of others: that takes
/// CAP_CHECKPOINT_RESTORE in the user namespace that owns the pid namespace. We may say which number was the last one, and
/// hope that nobody else makes a task in between. See ns_last_pid in proc_sys_kernel(5).
extension StubThread {
    private static let lastPID = "/proc/sys/kernel/ns_last_pid"
    /// Nanoseconds. Whoever starts a process meanwhile gets the number that we wait for, and may keep it for a moment.
    private static let patience: UInt64 = 5_000_000_000
    private static let cloneThread: UInt64 = 0x1_0000
    private static let cloneParent: UInt64 = 0x8000

    func spawnInTurn(_ newTID: TID, flags: UInt64, exitSignal: UInt64) throws(RestoreError) -> StubThread {
        var arguments = cp_clone_args()
        arguments.flags = flags
        arguments.exit_signal = exitSignal
        let turn = try RestoreError.about(Self.lastPID, "cannot be held") { () throws(Errno) -> OwnedFD in
            let file = try OwnedFD.open(Self.lastPID, O_RDWR)
            // As other tools do that use it.
            try systemCall(CP_SYS_flock, Int(file.rawValue), Int(LOCK_EX))
            return file
        }
        let end = MonotonicClock.now() + Self.patience
        while MonotonicClock.now() < end {
            try RestoreError.about(Self.lastPID, "cannot be set to \(newTID.rawValue - 1)") {
                () throws(Errno) -> Void in
                // Another offset than 0 is ignored, see sysctl_writes_strict.
                let digits = Array("\(newTID.rawValue - 1)".utf8)
                try digits.withUnsafeBufferPointer { (bytes) throws(Errno) -> Void in
                    try PositionedWrite.all(turn.rawValue, UnsafeRawBufferPointer(bytes), at: 0)
                }
            }
            let made = try clone(arguments, newTID)
            if made.tid == newTID { return made }
            try made.vanish(from: self, flags: flags, exitSignal: exitSignal)
            while access("/proc/\(newTID)", F_OK) == 0, MonotonicClock.now() < end { usleep(500) }
        }
        throw RestoreError(
            "task \(newTID)", "does not get its old id, which others take first or have",
            remedy: "restore when less is going on, or end whoever has this id")
    }

    /// Ends a task that has the wrong number, and what tells of it.
    private func vanish(
        from maker: StubThread, flags: UInt64, exitSignal: UInt64
    ) throws(RestoreError) {
        if flags & Self.cloneThread != 0 {
            // A signal would end its process.
            try end("exit", CP_SYS_exit)
            return
        }
        try RestoreError.about("task \(tid)", "cannot be ended") { () throws(Errno) -> Void in
            try systemCall(CP_SYS_kill, Int(tid.rawValue), 9)
            while try !Wait.one(tid).isEnd {}
        }
        if flags & Self.cloneParent != 0 {
            throw RestoreError(
                "task \(tid)", "was made under a number that was not meant for it",
                remedy: "restore when less is going on")
        }
        let anyChild = 0x4000_0000
        try maker.call("wait4", CP_SYS_wait4, Int(tid.rawValue), 0, anyChild, 0)
        let childEnded: UInt64 = 17
        if exitSignal == childEnded { try ChildSignal.drain(maker) }
    }
}
