import CPlatform
import Glibc

/// All seized and stopped tasks of one dump. Ends by letting every one of them run on.
///
/// ptrace(2) ties the tasks to the thread that seized them, so the value never leaves it.
package struct FrozenTree: ~Copyable {
    package private(set) var processes: [FrozenProcess]
    private let owner: UInt
    private var armed = true

    /// Freezes the tree below a process, or throws with everything running again.
    ///
    /// A tree that is found changed `looks` times in a row is let go for as long as it was held, and tried anew: whoever reaps
    /// its ended tasks is held too, and without it the others run out of process numbers. `isPatient`: until the deadline, and
    /// not only once, after which `TraceError.outrun` is thrown.
    package static func freeze(
        root: PID, deadline: Deadline, isPatient: Bool = true
    ) throws(TraceError) -> FrozenTree {
        while true {
            let begin = MonotonicClock.now()
            let processes: [FrozenProcess]
            do throws(TraceError) {
                processes = try Freezer(root: root, scope: .tree, deadline: deadline, looks: looks).freeze()
            } catch {
                guard case .outrun = error, isPatient else { throw error }
                let pause = max(1000, (MonotonicClock.now() - begin) / 1000)
                usleep(UInt32(clamping: pause))
                if cp_cancellation_signal() != 0 { throw .cancelled }
                if deadline.hasPassed { throw .treeKeepsChanging(root: root) }
                continue
            }
            return try make(processes)
        }
    }

    /// A tree that settles is found whole by the second look or the third.
    private static let looks = 20

    /// Freezes one process with all its threads and none of its children.
    package static func freezeProcess(_ pid: PID, deadline: Deadline) throws(TraceError) -> FrozenTree {
        try make(Freezer(root: pid, scope: .process, deadline: deadline).freeze())
    }

    private static func make(_ processes: [FrozenProcess]) throws(TraceError) -> FrozenTree {
        var tree = FrozenTree(processes: processes)
        for index in tree.processes.indices where tree.processes[index].state != .zombie {
            try tree.examine(index)
        }
        return tree
    }

    private init(processes: [FrozenProcess]) {
        self.processes = processes
        owner = pthread_self()
    }

    deinit {
        if armed { Freezer.release(Self.threads(of: processes)) }
    }

    /// Lets every task run on with the registers that it has now.
    package consuming func thaw() {
        checkThread()
        armed = false
        Freezer.release(Self.threads(of: processes))
    }

    /// Leaves every task stopped as SIGSTOP does, for a later SIGCONT, and lets go.
    package consuming func thawStopped() {
        checkThread()
        armed = false
        for process in processes where process.state == .running {
            _ = cp_syscall(CP_SYS_kill, Int(process.pid.rawValue), 19, 0, 0, 0, 0)
        }
        Freezer.release(Self.threads(of: processes))
    }

    /// Kills every process and waits until each is gone or waits for its parent alone.
    package consuming func kill() throws(TraceError) {
        checkThread()
        armed = false
        let threads = Self.threads(of: processes)
        // Should we die on the way, the kernel finishes what was begun.
        for tid in threads {
            try? Ptrace.setOptions(tid, CP_PTRACE_O_TRACESYSGOOD | CP_PTRACE_O_EXITKILL)
        }
        for process in processes where process.state != .zombie {
            _ = cp_syscall(CP_SYS_kill, Int(process.pid.rawValue), 9, 0, 0, 0, 0)
        }
        Wait.untilEnded(Self.threads(of: processes.filter { $0.state != .zombie }))
    }

    /// Runs a body while the thread's registers are ours; they are put back whatever the body does.
    ///
    /// The stub must lie at `stub` for this thread.
    @discardableResult
    package func withSession<R>(
        _ thread: FrozenThread, stub: RemoteAddress, faults: FaultPoints,
        _ body: (inout RemoteSession) throws(TraceError) -> R
    ) throws(TraceError) -> R {
        checkThread()
        var session = try RemoteSession(thread, stub: stub, faults: faults)
        let result = try body(&session)
        try session.close()
        return result
    }

    /// Changes what is known of a thread; its registers are not touched.
    package mutating func update(process: Int, thread: Int, _ change: (inout FrozenThread) -> Void) {
        change(&processes[process].threads[thread])
    }

    /// Reads everything that would change as soon as code runs, and decides how each thread goes on.
    private mutating func examine(_ index: Int) throws(TraceError) {
        let pid = processes[index].pid
        var last = pid.leader
        do throws(Errno) {
            processes[index].pendingSignals = try Ptrace.pendingSignals(pid.leader, shared: true)
            for thread in processes[index].threads.indices {
                var facts = processes[index].threads[thread]
                last = facts.tid
                if try Ptrace.dispatchesSystemCalls(facts.tid) { throw Errno.notSupported }
                facts.stoppedRegisters = try Ptrace.registers(facts.tid)
                facts.xsave = try Ptrace.extendedState(facts.tid)
                facts.signalMask = try Ptrace.signalMask(facts.tid)
                try Self.heal(pid, &facts)
                facts.rseq = try Ptrace.rseq(facts.tid)
                facts.pendingSignals = try Ptrace.pendingSignals(facts.tid, shared: false)
                processes[index].threads[thread] = facts
            }
        } catch {
            switch error {
            case .noProcess: throw .died(last)
            case .notSupported:
                throw .refused(tid: last, reason: "it uses syscall user dispatch, which is not carried yet")
            case .invalid: throw .refused(tid: last, reason: "it is a 32-bit task, which is not carried yet")
            default: throw .failed(operation: "reading its state", tid: last, errno: error)
            }
        }
        let caught = SignalSets.caught(pid)
        for thread in processes[index].threads.indices {
            var facts = processes[index].threads[thread]
            let stopped = facts.stoppedRegisters
            try leaveCriticalSection(pid, &facts)
            facts.call = stopped.origAx
            if facts.call == UInt64(CP_SYS_restart_syscall), let call = facts.restartedCall {
                // clock_nanosleep's first argument is a small clock number, nanosleep's is a pointer.
                facts.call =
                    call == UInt64(CP_SYS_clock_nanosleep) && stopped.di > 4096
                    ? UInt64(CP_SYS_nanosleep) : call
            }
            facts.continuation = InterruptedCall.continuation(
                of: facts.stoppedRegisters, call: facts.call,
                handlerPending: pending(index, thread) & caught != 0, restarts: false)
            processes[index].threads[thread] = facts
            // What the kernel does not mend by itself must not wait for a session.
            if facts.continuation.kernel != stopped {
                do throws(Errno) {
                    try Ptrace.setRegisters(facts.tid, facts.continuation.kernel)
                } catch {
                    throw .failed(operation: "writing registers", tid: facts.tid, errno: error)
                }
            }
        }
    }

    /// Takes a thread off the stub of a tracer that died: it has not run since, or has run a few instructions only.
    ///
    /// A stopped process may stand there for long, and the stub is about to be written for another thread.
    private static func heal(_ pid: PID, _ thread: inout FrozenThread) throws(Errno) {
        let registers = thread.stoppedRegisters
        // A stub ends where its page does.
        let stub = (registers.ip | 0xfff) &+ 1 &- UInt64(HealingStub.size)
        guard registers.ip >= stub else { return }
        let bytes: [UInt8]
        do throws(Errno) {
            bytes = try RemoteMemory.bytes(pid, RemoteAddress(stub), count: HealingStub.size)
        } catch {
            // Code that may be executed and not be read is none of ours.
            if error == .fault { return }
            throw error
        }
        guard let healed = HealingStub.healed(registers, by: bytes) else { return }
        try Ptrace.setSignalMask(thread.tid, healed.signalMask)
        try Ptrace.setRegisters(thread.tid, healed.registers)
        thread.signalMask = healed.signalMask
        thread.stoppedRegisters = healed.registers
    }

    /// Looks at the pending signals again, when nothing is to be asked of the process any more: a timer may have gone
    /// off since the stop. Decides anew how its threads would go on elsewhere.
    ///
    /// `ignored` are the signals that the process does not want, by its actions or by default; while all signals were
    /// blocked for remote calls the kernel kept them too. `caught` have handlers, `restarting` those with SA_RESTART.
    package mutating func lookAgainForSignals(
        process index: Int, ignored: UInt64, caught: UInt64, restarting: UInt64
    ) throws(TraceError) {
        let pid = processes[index].pid
        do throws(Errno) {
            let shared = try Ptrace.pendingSignals(pid.leader, shared: true)
            // Blocked by every thread: then the process does get to see it some day.
            let blocked = processes[index].threads.reduce(UInt64.max) { $0 & $1.signalMask }
            processes[index].pendingSignals = Self.without(ignored & ~blocked, shared)
            for thread in processes[index].threads.indices {
                var facts = processes[index].threads[thread]
                let own = try Ptrace.pendingSignals(facts.tid, shared: false)
                facts.pendingSignals = Self.without(ignored & ~facts.signalMask, own)
                processes[index].threads[thread] = facts
                let handled = pending(index, thread) & caught
                // The kernel delivers the lowest number first.
                let first = handled & (~handled &+ 1)
                processes[index].threads[thread].continuation = InterruptedCall.continuation(
                    of: facts.stoppedRegisters, call: facts.call, handlerPending: handled != 0,
                    restarts: first & restarting != 0)
            }
        } catch {
            throw .failed(operation: "reading its pending signals", tid: pid.leader, errno: error)
        }
    }

    /// Unblocked signals that wait for one thread, as known last.
    private func pending(_ process: Int, _ thread: Int) -> UInt64 {
        let facts = processes[process].threads[thread]
        return (Self.numbers(processes[process].pendingSignals) | Self.numbers(facts.pendingSignals))
            & ~facts.signalMask
    }

    private static func without(_ unwanted: UInt64, _ pending: [[UInt8]]) -> [[UInt8]] {
        pending.filter { numbers([$0]) & unwanted == 0 }
    }

    /// A thread amid a restartable sequence goes on at its abort handler: the sequence must not go on after other
    /// code has run, on another CPU perhaps (rseq(2); kernel/rseq.c, rseq_ip_fixup).
    private func leaveCriticalSection(_ pid: PID, _ thread: inout FrozenThread) throws(TraceError) {
        guard let rseq = thread.rseq else { return }
        do throws(Errno) {
            let section = try RemoteMemory.value(pid, RemoteAddress(rseq.pointer + 8), as: UInt64.self)
            guard section != 0 else { return }
            let start = try RemoteMemory.value(pid, RemoteAddress(section + 8), as: UInt64.self)
            let length = try RemoteMemory.value(pid, RemoteAddress(section + 16), as: UInt64.self)
            let abort = try RemoteMemory.value(pid, RemoteAddress(section + 24), as: UInt64.self)
            if thread.stoppedRegisters.ip &- start < length {
                thread.stoppedRegisters.ip = abort
            }
        } catch {
            throw .failed(operation: "reading its rseq area", tid: thread.tid, errno: error)
        }
    }

    private func checkThread() {
        precondition(
            owner == pthread_self(), "a frozen tree was used from another thread than the one that seized it")
    }

    private static func threads(of processes: [FrozenProcess]) -> Set<TID> {
        Set(processes.flatMap { $0.threads.map(\.tid) })
    }

    /// The signal numbers of raw siginfo_t as a mask.
    private static func numbers(_ pending: [[UInt8]]) -> UInt64 {
        pending.reduce(0) { mask, info in
            guard let number = info.first, (1...64).contains(number) else { return mask }
            return mask | 1 << UInt64(number - 1)
        }
    }
}
