import CPlatform
import Glibc

/// The last state that a task gets before it is let go: registers, extended registers, signal mask.
enum FinalState {
    /// No system call can be made in the thread after this.
    static func set(
        _ thread: StubThread, _ image: ThreadImage, of task: TaskImage
    ) throws(RestoreError) {
        let subject = "task \(thread.tid)"
        try RestoreError.about(subject, "its extended registers cannot be set") { () throws(Errno) -> Void in
            if image.xsave.isEmpty { return }
            let area = fitted(image.xsave, to: try Ptrace.extendedState(thread.tid).count)
            try Ptrace.setExtendedState(thread.tid, area)
        }
        try RestoreError.about(subject, "its registers cannot be set") { () throws(Errno) -> Void in
            let pending = PendingHandler.of(image, in: task)
            try Ptrace.setRegisters(thread.tid, restarted(image.registers, pending: pending))
        }
        // One that is to be stopped yet takes no other signal before.
        if case .stopped = task.state { return }
        try setMask(thread, image)
    }

    static func setMask(_ thread: StubThread, _ image: ThreadImage) throws(RestoreError) {
        try RestoreError.about("task \(thread.tid)", "its signal mask cannot be set") {
            () throws(Errno) -> Void in try Ptrace.setSignalMask(thread.tid, image.signalMask)
        }
    }

    /// The kernel takes an area of exactly its own size. A short one is the legacy part alone.
    static func fitted(_ area: [UInt8], to size: Int) -> [UInt8] {
        var result = Array(area.prefix(size))
        result += [UInt8](repeating: 0, count: size - result.count)
        let bitmap = 512
        if area.count < bitmap + 8 && size >= bitmap + 8 { result[bitmap] = 3 }
        return result
    }

    /// Lets an interrupted system call begin again, as the kernel would have done in the old task.
    ///
    /// CRIU writes EINTR for calls that would have gone on from a restart block, which a new task does not have. A
    /// program sees that error from these calls only when a handler ran; so without one they begin again as well.
    static func restarted(_ registers: RegisterImage, pending: PendingHandler) -> RegisterImage {
        let isPending = pending != .none
        let interrupted = UInt64(bitPattern: -4)
        if registers.ax == interrupted, withRestartBlock.contains(registers.origAx), !isPending {
            var again = registers
            again.ip = registers.ip &- 2
            again.ax = registers.origAx
            again.origAx = .max
            return again
        }
        return InterruptedCall.continuation(
            of: registers, call: registers.origAx, handlerPending: isPending, restarts: pending == .restarting
        ).elsewhere
    }

    /// poll, nanosleep, futex, clock_nanosleep
    private static let withRestartBlock: Set<UInt64> = [7, 35, 202, 230]
}

/// Whether a signal that waits for a thread will run a handler at once.
enum PendingHandler: Equatable {
    case none
    case interrupting
    /// All such handlers have SA_RESTART.
    case restarting

    static func of(_ thread: ThreadImage, in task: TaskImage) -> PendingHandler {
        guard let process = task.process else { return .none }
        let numbers = (1...64).filter { $0 != 9 && $0 != 19 }
        let actions = Dictionary(uniqueKeysWithValues: zip(numbers, process.signalActions))
        var result = PendingHandler.none
        for info in thread.pendingSignals + process.pendingSignals {
            let signal = ProcessBuilder.signalNumber(info)
            guard (1...64).contains(signal), thread.signalMask >> UInt64(signal - 1) & 1 == 0,
                let action = actions[signal], action.handler > 1
            else { continue }
            let restart: UInt64 = 0x1000_0000
            if action.flags & restart == 0 { return .interrupting }
            result = .restarting
        }
        return result
    }
}

/// Leaves tasks in the stopped state.
enum StopRequest {
    /// Stops a process that has its registers, and keeps it traced, so that it dies with us.
    static func stop(_ process: StubProcess) throws(RestoreError) {
        try RestoreError.about("task \(process.pid)", "cannot be stopped") { () throws(Errno) -> Void in
            try systemCall(CP_SYS_kill, Int(process.host.rawValue), Int(SIGSTOP))
            // The leader takes the signal; the others join its stop.
            for thread in process.threads {
                var signal: Int32 = 0
                while true {
                    try Ptrace.resume(thread.tid, signal: signal)
                    let status = try Wait.one(thread.tid)
                    if status.isEnd { throw .noProcess }
                    if case .groupStop = status { break }
                    signal = status == .signalStop(signal: SIGSTOP) ? SIGSTOP : 0
                }
            }
        }
        for (thread, image) in zip(process.threads, process.image.threads) {
            try FinalState.setMask(thread, image)
        }
    }

    /// Lets go of processes that are stopped, and stay so.
    static func release(_ processes: [StubProcess]) throws(RestoreError) {
        for process in processes {
            try RestoreError.about("task \(process.pid)", "cannot be left stopped") {
                () throws(Errno) -> Void in
                for thread in process.threads { try Ptrace.setOptions(thread.tid, 0) }
                for thread in process.threads { try Ptrace.detach(thread.tid) }
                for thread in process.threads { try awaitStop(thread.tid) }
            }
        }
    }

    /// Lets go of a whole process so that it comes to stand before its first instruction, and waits until it does.
    static func detachStopped(_ process: StubProcess) throws(RestoreError) {
        let subject = "task \(process.pid)"
        try RestoreError.about(subject, "cannot be left stopped") { () throws(Errno) -> Void in
            try systemCall(CP_SYS_kill, Int(process.host.rawValue), 19)
            for thread in process.threads { try Ptrace.setOptions(thread.tid, 0) }
            // The leader takes the signal; the others join its stop when they are let go.
            for thread in process.threads {
                try Ptrace.detach(thread.tid)
                try awaitStop(thread.tid)
            }
        }
    }

    private static func awaitStop(_ tid: TID) throws(Errno) {
        let deadline = Deadline.after(milliseconds: 5000)
        while true {
            let state = ProcText.statField(tid.rawValue, 3)
            if state == "T" { return }
            if state == nil || state == "Z" { throw .noProcess }
            if deadline.hasPassed { throw .timedOut }
            sched_yield()
        }
    }
}
