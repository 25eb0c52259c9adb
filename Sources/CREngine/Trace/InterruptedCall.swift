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
        /// For the same thread: the kernel still holds its restart block.
        package var here: RegisterImage
        /// For a thread made anew, where no restart block exists: a relative sleep begins again.
        package var elsewhere: RegisterImage
    }

    /// `handlerPending`: an unblocked signal with a handler waits for the thread, so the program is owed the EINTR that
    /// it would have got. `restarts` tells whether that handler has SA_RESTART.
    package static func continuation(
        of registers: RegisterImage, handlerPending: Bool, restarts: Bool
    ) -> Continuation {
        var own = registers
        own.origAx = .max
        var again = own
        again.ip = registers.ip &- 2
        again.ax = registers.origAx
        var endsInterrupted = own
        endsInterrupted.ax = UInt64(bitPattern: Int64(interrupted))

        guard registers.origAx <= UInt64(Int32.max) else { return Continuation(here: own, elsewhere: own) }
        switch Int(truncatingIfNeeded: Int64(bitPattern: registers.ax)) {
        case restartNoIntr:
            return Continuation(here: again, elsewhere: again)
        case restartSys:
            let next = handlerPending && !restarts ? endsInterrupted : again
            return Continuation(here: next, elsewhere: next)
        case restartNoHand:
            let next = handlerPending ? endsInterrupted : again
            return Continuation(here: next, elsewhere: next)
        case restartBlock:
            if handlerPending { return Continuation(here: endsInterrupted, elsewhere: endsInterrupted) }
            var resumed = again
            resumed.ax = restartSystemCall
            return Continuation(here: resumed, elsewhere: again)
        case interrupted where returnsInterrupted.contains(registers.origAx) && !handlerPending:
            return Continuation(here: again, elsewhere: again)
        default:
            return Continuation(here: own, elsewhere: own)
        }
    }
}
