/// What a stop did to the system call that a thread was in, and how the call goes on.
///
/// The stop itself makes the kernel leave the call: most calls return a restart code, a few return EINTR at once
/// (signal(7), "Interruption of system calls by stop signals"). The restart that the kernel would do on the way out
/// is done here in the registers, because after remote calls the kernel no longer knows of it.
package enum InterruptedCall {
    /// ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND, ERESTART_RESTARTBLOCK of include/linux/errno.h.
    private static let restartSys = -512
    private static let restartNoIntr = -513
    private static let restartNoHand = -514
    private static let restartBlock = -516
    private static let interrupted = -4

    /// Calls that return EINTR from a mere stop.
    ///
    /// Sockets do so when SO_RCVTIMEO or SO_SNDTIMEO is set.
    private static let returnsInterrupted: Set<UInt64> = [
        0, 1, 19, 20,  // read write readv writev
        42, 43, 44, 45, 46, 47,  // connect accept sendto recvfrom sendmsg recvmsg
        288, 299, 307,  // accept4 recvmmsg sendmmsg
        65, 220,  // semop semtimedop
        128,  // rt_sigtimedwait
        208, 333,  // io_getevents io_pgetevents
        232, 281, 441,  // epoll_wait epoll_pwait epoll_pwait2
    ]
    private static let restartSystemCall: UInt64 = 219

    /// How the thread is to go on.
    package struct Continuation: Equatable, Sendable {
        /// For the kernel to finish: a restart code and the call's number, as it left them itself. When the thread is
        /// let go the kernel looks for signals first (ptrace_signal_wake_up sets TIF_SIGPENDING), so whatever becomes
        /// pending until then is treated as if there had been no stop.
        package var kernel: RegisterImage
        /// For code that jumps back: the restart already done, as far as is known now.
        package var healing: RegisterImage
        /// For a thread made anew, where no restart block exists: a relative sleep begins again.
        package var elsewhere: RegisterImage
    }

    /// `registers` are those of the stop, with the call that a restart_syscall(2) stands for in `call`.
    ///
    /// `handlerPending`: an unblocked signal with a handler waits for the thread, so the program is owed the EINTR that
    /// it would have got. `restarts` tells whether that handler has SA_RESTART.
    package static func continuation(
        of registers: RegisterImage, call: UInt64, handlerPending: Bool, restarts: Bool
    ) -> Continuation {
        var own = registers
        own.origAx = .max
        let plain = Continuation(kernel: registers, healing: own, elsewhere: own)
        guard registers.origAx <= UInt64(Int32.max) else { return plain }

        var again = own
        again.ip = registers.ip &- 2
        again.ax = call
        var endsInterrupted = own
        endsInterrupted.ax = UInt64(bitPattern: Int64(interrupted))
        func same(_ next: RegisterImage) -> Continuation {
            Continuation(kernel: registers, healing: next, elsewhere: next)
        }
        switch Int(truncatingIfNeeded: Int64(bitPattern: registers.ax)) {
        case restartNoIntr:
            return same(again)
        case restartSys:
            return same(handlerPending && !restarts ? endsInterrupted : again)
        case restartNoHand:
            return same(handlerPending ? endsInterrupted : again)
        case restartBlock:
            if handlerPending { return same(endsInterrupted) }
            var resumed = again
            resumed.ax = restartSystemCall
            return Continuation(kernel: registers, healing: resumed, elsewhere: again)
        case interrupted where returnsInterrupted.contains(registers.origAx):
            // ERESTARTNOHAND is what these calls would return if they knew of stops.
            var kernel = registers
            kernel.ax = UInt64(bitPattern: Int64(restartNoHand))
            let next = handlerPending ? endsInterrupted : again
            return Continuation(kernel: kernel, healing: next, elsewhere: next)
        default:
            return plain
        }
    }
}
