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
    package static func freeze(root: PID, deadline: Deadline) throws(TraceError) -> FrozenTree {
        try make(Freezer(root: root, scope: .tree, deadline: deadline).freeze())
    }

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
        // The leader is reported after its other threads.
        for process in processes where process.state != .zombie {
            for thread in process.threads.reversed() { Self.awaitEnd(thread.tid) }
        }
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
        var session = try RemoteSession(
            tid: thread.tid, stub: stub, own: thread.continuation.here, mask: thread.signalMask,
            faults: faults)
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
            try leaveCriticalSection(pid, &facts)
            let leftSection = facts.leftCriticalSection
            let pending = Self.numbers(processes[index].pendingSignals) | Self.numbers(facts.pendingSignals)
            var registers = facts.stoppedRegisters
            if registers.origAx == UInt64(CP_SYS_restart_syscall), let call = facts.restartedCall {
                // clock_nanosleep's first argument is a small clock number, nanosleep's is a pointer.
                registers.origAx =
                    call == UInt64(CP_SYS_clock_nanosleep) && registers.di > 4096
                    ? UInt64(CP_SYS_nanosleep) : call
            }
            facts.interruptedRegisters = registers
            facts.continuation = InterruptedCall.continuation(
                of: registers, handlerPending: pending & ~facts.signalMask & caught != 0, restarts: false)
            processes[index].threads[thread] = facts
            // The kernel mends restart codes by itself; what it does not mend must not wait for a session.
            let mends = (-516 ... -512).contains(Int64(bitPattern: facts.stoppedRegisters.ax))
            if !mends || leftSection { try settle(facts) }
        }
    }

    /// Writes the registers with which a thread goes on, where they are not those of the stop.
    private func settle(_ thread: FrozenThread) throws(TraceError) {
        var stopped = thread.stoppedRegisters
        stopped.origAx = .max
        if stopped == thread.continuation.here && thread.stoppedRegisters.origAx == .max { return }
        if stopped == thread.continuation.here && !thread.leftCriticalSection { return }
        do throws(Errno) {
            try Ptrace.setRegisters(thread.tid, thread.continuation.here)
        } catch {
            throw .failed(operation: "writing registers", tid: thread.tid, errno: error)
        }
    }

    /// Decides again once it is known whether the pending handlers restart calls (SA_RESTART).
    package mutating func reconsider(process index: Int, restarting: UInt64, caught: UInt64)
        throws(TraceError)
    {
        let shared = Self.numbers(processes[index].pendingSignals)
        for thread in processes[index].threads.indices {
            let facts = processes[index].threads[thread]
            let handled = (shared | Self.numbers(facts.pendingSignals)) & ~facts.signalMask & caught
            if handled == 0 { continue }
            // The kernel delivers the lowest number first.
            let first = handled & (~handled &+ 1)
            let next = InterruptedCall.continuation(
                of: facts.interruptedRegisters, handlerPending: true, restarts: first & restarting != 0)
            if next == facts.continuation { continue }
            processes[index].threads[thread].continuation = next
            do throws(Errno) {
                try Ptrace.setRegisters(facts.tid, next.here)
            } catch {
                throw .failed(operation: "writing registers", tid: facts.tid, errno: error)
            }
        }
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
                thread.leftCriticalSection = true
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

    private static func awaitEnd(_ tid: TID) {
        while true {
            do throws(Errno) {
                if try Wait.one(tid).isEnd { return }
                try Ptrace.resume(tid)
            } catch {
                return
            }
        }
    }

    /// The signal numbers of raw siginfo_t as a mask.
    private static func numbers(_ pending: [[UInt8]]) -> UInt64 {
        pending.reduce(0) { mask, info in
            guard let number = info.first, (1...64).contains(number) else { return mask }
            return mask | 1 << UInt64(number - 1)
        }
    }
}
