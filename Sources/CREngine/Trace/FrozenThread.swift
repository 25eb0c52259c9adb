/// One seized and stopped thread, with what only ptrace can tell, read before any code runs in it.
package struct FrozenThread: Sendable {
    package let tid: TID
    /// As the stop left them: RAX may hold a restart code.
    package var stoppedRegisters = RegisterImage()
    /// Raw XSAVE area.
    package var xsave: [UInt8] = []
    package var signalMask: UInt64 = 0
    package var rseq: RseqImage?
    package var pendingSignals: [[UInt8]] = []
    /// The system call that a `restart_syscall` continues, where it could be told before the stop.
    package var restartedCall: UInt64?
    /// The call that the thread was in; that which a `restart_syscall` stands for. All ones: none.
    package var call: UInt64 = .max
    /// Registers with which the thread goes on.
    package var continuation = InterruptedCall.Continuation(
        kernel: RegisterImage(), healing: RegisterImage(), elsewhere: RegisterImage())

    package init(tid: TID) { self.tid = tid }
}

/// One process of a frozen tree.
package struct FrozenProcess: Sendable {
    package enum State: Equatable, Sendable {
        case running
        /// Stopped by job control with this signal before we came.
        case stopped(signal: Int32)
        /// Not seized: the kernel refuses that, and it cannot run anyway.
        case zombie
    }
    package let pid: PID
    package let parent: PID
    package var state: State
    /// The leader first; empty for a zombie.
    package var threads: [FrozenThread]
    /// Process-wide queue.
    package var pendingSignals: [[UInt8]] = []
    /// Field 22 of /proc/PID/stat.
    package var startTime: UInt64
}
