import CPlatform
import Glibc

/// Seizes and stops a whole tree: every thread of every process, and whatever they create meanwhile.
///
/// New tasks of a seized thread are attached by the kernel at their creation, and are found by a further look; the
/// tree is frozen when a look at all of it finds nothing new. Until then nothing but stops has happened to it.
struct Freezer: ~Copyable {
    /// How far the freeze goes.
    enum Scope {
        case tree
        /// One process with its threads, for undoing.
        case process
    }

    private let root: PID
    private let scope: Scope
    private let deadline: Deadline
    /// How many looks may find something new before `outrun` is thrown; nil for as many as the deadline allows.
    private let looks: Int?
    private(set) var processes: [FrozenProcess] = []
    private var placeOf: [PID: Int] = [:]
    private var seized: Set<TID> = []
    /// Attached by the kernel at their creation, their first stop not yet taken.
    private var attachedAtBirth: Set<TID> = []
    /// How often the kernel refused a thread that nobody traces.
    private var refusals: [TID: Int] = [:]
    private var armed = true

    private static let enoughRefusals = 20

    static let options =
        CP_PTRACE_O_TRACESYSGOOD | CP_PTRACE_O_TRACEFORK | CP_PTRACE_O_TRACEVFORK | CP_PTRACE_O_TRACECLONE

    init(root: PID, scope: Scope, deadline: Deadline, looks: Int? = nil) {
        self.looks = looks
        self.root = root
        self.scope = scope
        self.deadline = deadline
    }

    /// An unfinished freeze lets go of what it has.
    deinit {
        if armed { Self.release(seized.union(attachedAtBirth)) }
    }

    /// Freezes, or throws with everything running again. Parents come before children.
    consuming func freeze() throws(TraceError) -> [FrozenProcess] {
        guard try visit(root, parent: PID(0)) else {
            throw .refused(tid: root.leader, reason: "no such process, or it has ended")
        }
        var made = 0
        while try pass() {
            made += 1
            if deadline.hasPassed { throw .treeKeepsChanging(root: root) }
            if let looks, made >= looks { throw .outrun(root: root) }
        }
        armed = false
        return processes
    }

    /// One look at the whole tree; true when it found something new.
    private mutating func pass() throws(TraceError) -> Bool {
        var changed = false
        var index = 0
        while index < processes.count {
            let process = processes[index]
            if process.state != .zombie {
                if try seizeThreads(of: process.pid) { changed = true }
                if scope == .tree {
                    for thread in processes[index].threads {
                        for child in TaskList.children(of: process.pid, thread: thread.tid)
                        where placeOf[child] == nil {
                            // One that is gone already may have left a child behind that is not in this list.
                            changed = true
                            _ = try visit(child, parent: process.pid)
                        }
                    }
                }
            }
            index += 1
        }
        if !changed { releaseStrangers() }
        return changed || !attachedAtBirth.isEmpty
    }

    /// Lets go of tasks that the kernel attached and that a look at the whole tree did not find: they have ended, or
    /// belong to a creator that was killed meanwhile.
    private mutating func releaseStrangers() {
        for tid in attachedAtBirth {
            if Self.hasEnded(tid) || (try? Ptrace.detach(tid)) != nil { attachedAtBirth.remove(tid) }
        }
    }

    /// Takes one process in. False when it has vanished.
    private mutating func visit(_ pid: PID, parent: PID) throws(TraceError) -> Bool {
        guard var stat = TaskList.stat(pid, pid.leader) else { return false }
        // Amid the execve(2) of another thread the main thread has ended for a moment.
        let patience = Deadline.after(milliseconds: 100)
        var backoff = Backoff()
        while stat.state == "Z", TaskList.threads(of: pid).count > 1, !patience.hasPassed {
            backoff.pause()
            guard let next = TaskList.stat(pid, pid.leader) else { return false }
            stat = next
        }
        let isZombie = (stat.state == "Z" || stat.state == "X") && TaskList.threads(of: pid).count <= 1
        placeOf[pid] = processes.count
        processes.append(
            FrozenProcess(
                pid: pid, parent: parent, state: isZombie ? .zombie : .running, threads: [],
                startTime: stat.startTime))
        if isZombie { return true }
        if stat.state == "Z" {
            throw .refused(tid: pid.leader, reason: "its main thread has ended while other threads run on")
        }
        _ = try seizeThreads(of: pid)
        if let place = placeOf[pid], processes[place].threads.isEmpty {
            // It ended before it could be seized: a zombie now, or nothing.
            guard TaskList.stat(pid, pid.leader) != nil else {
                processes.removeLast()
                placeOf[pid] = nil
                return false
            }
            processes[place].state = .zombie
        }
        return true
    }

    /// Seizes every thread of a process until none is new. True when there was a new one, or one was lost.
    private mutating func seizeThreads(of pid: PID) throws(TraceError) -> Bool {
        var changed = false
        while true {
            if try forgetLost(of: pid) { changed = true }
            let new = TaskList.threads(of: pid).filter { !seized.contains($0) && !hasEnded(pid, $0) }
            if new.isEmpty { break }
            if deadline.hasPassed { throw .treeKeepsChanging(root: root) }
            if cp_cancellation_signal() != 0 { throw .cancelled }
            var restarted: [TID: UInt64] = [:]
            var taken: [TID] = []
            for tid in new {
                restarted[tid] = restartedCall(pid, tid)
                if try seize(pid, tid) { taken.append(tid) }
            }
            for tid in try awaitStops(pid, taken) {
                var thread = FrozenThread(tid: tid)
                thread.restartedCall = restarted[tid]
                add(thread, to: pid)
                changed = true
            }
        }
        return changed
    }

    private func hasEnded(_ pid: PID, _ tid: TID) -> Bool {
        guard let stat = TaskList.stat(pid, tid) else { return true }
        return stat.state == "Z" || stat.state == "X"
    }

    /// Drops threads that had stopped and are no longer there: killed, or replaced by the execve(2) of another
    /// thread, which takes over the leader's id and is found anew. True when there was one.
    private mutating func forgetLost(of pid: PID) throws(TraceError) -> Bool {
        guard let place = placeOf[pid] else { return false }
        let lost = processes[place].threads.filter { (try? Ptrace.registers($0.tid)) == nil }
        if lost.isEmpty { return false }
        for thread in lost {
            seized.remove(thread.tid)
            processes[place].threads.removeAll { $0.tid == thread.tid }
        }
        // A whole process that ends under a freeze was killed: the tree is another one than was asked for.
        if processes[place].threads.isEmpty, hasEnded(pid, pid.leader) { throw .died(pid.leader) }
        return true
    }

    private mutating func add(_ thread: FrozenThread, to pid: PID) {
        guard let place = placeOf[pid] else { return }
        if thread.tid == pid.leader {
            processes[place].threads.insert(thread, at: 0)
        } else {
            processes[place].threads.append(thread)
        }
    }

    /// The call behind a pending restart_syscall(2), by where the thread sleeps; the registers no longer tell.
    ///
    /// Only poll, futex and the sleeps leave a restart block (kernel/signal.c, restart_syscall and its users), and the
    /// sleeps are the ones whose place in the kernel has no name of its own.
    private func restartedCall(_ pid: PID, _ tid: TID) -> UInt64? {
        guard TaskList.systemCall(pid, tid) == UInt64(CP_SYS_restart_syscall) else { return nil }
        let place = TaskList.sleepingIn(pid, tid)
        if place.contains("poll") { return UInt64(CP_SYS_poll) }
        if place.contains("futex") { return UInt64(CP_SYS_futex) }
        return UInt64(CP_SYS_clock_nanosleep)
    }

    private mutating func seize(_ pid: PID, _ tid: TID) throws(TraceError) -> Bool {
        if attachedAtBirth.remove(tid) != nil {
            seized.insert(tid)
            return true
        }
        do throws(Errno) {
            try Ptrace.seize(tid, options: Self.options)
            seized.insert(tid)
            try Ptrace.interrupt(tid)
            return true
        } catch {
            if error == .noProcess { return false }
            if error == .perm {
                // A thread that is ending cannot be seized, and is gone in a moment.
                guard let stat = TaskList.stat(pid, tid), stat.state != "Z", stat.state != "X" else {
                    return false
                }
                // Ours already: it took over the id of a thread that we had seized, or its creator is still to be read.
                if TaskList.tracer(pid, tid) == PID(getpid()) {
                    seized.insert(tid)
                    _ = try? Ptrace.interrupt(tid)
                    return true
                }
                // Amid execve(2) the id passes from a thread that has ended to one that runs: look again.
                refusals[tid, default: 0] += 1
                if refusals[tid, default: 0] < Self.enoughRefusals, TaskList.tracer(pid, tid) == PID(0) {
                    return false
                }
                throw .refused(
                    tid: tid, reason: "another tracer holds it, or a privilege is missing (CAP_SYS_PTRACE)")
            }
            throw .failed(operation: "PTRACE_SEIZE", tid: tid, errno: error)
        }
    }

    /// Waits until each of these seized threads has stopped or ended; returns those that have stopped, in order.
    ///
    /// All are watched at once: an execve(2) by one of them waits until we have taken the end of every other
    /// (fs/exec.c, de_thread), of those that had stopped before too.
    private mutating func awaitStops(_ pid: PID, _ tids: [TID]) throws(TraceError) -> [TID] {
        var waiting = tids
        var stopped: Set<TID> = []
        var backoff = Backoff()
        while true {
            var still: [TID] = []
            for tid in waiting {
                switch try progress(pid, tid) {
                case .nothing: still.append(tid)
                case .stopped: stopped.insert(tid)
                case .ended: break
                }
            }
            waiting = still
            guard let first = waiting.first else { break }
            if cp_cancellation_signal() != 0 { throw .cancelled }
            if deadline.hasPassed {
                throw .timedOut(tid: first, detail: "it sleeps in \(TaskList.sleepingIn(pid, first))")
            }
            takeEnds(of: pid, and: stopped)
            backoff.pause()
        }
        return tids.filter { stopped.contains($0) }
    }

    private enum Progress { case nothing, stopped, ended }

    /// Takes one change of a thread's state, if there is one.
    private mutating func progress(_ pid: PID, _ tid: TID) throws(TraceError) -> Progress {
        let status: WaitStatus?
        do throws(Errno) {
            status = try Wait.poll(tid)
        } catch {
            // Gone with the execve(2) of another thread, or already stopped when its attachment was seen.
            if (try? Ptrace.registers(tid)) != nil { return .stopped }
            seized.remove(tid)
            return .ended
        }
        switch status {
        case .interruptStop:
            return .stopped
        case .groupStop(let signal):
            if let place = placeOf[pid] { processes[place].state = .stopped(signal: signal) }
            return .stopped
        case .exited, .killed:
            seized.remove(tid)
            if tid == root.leader { throw .died(tid) }
            return .ended
        case .event(let event):
            try noteBirth(tid, event: event)
            try goOn(tid, signal: 0)
        case .signalStop(let signal):
            try goOn(tid, signal: signal)
        case .systemCallStop, .continued:
            try goOn(tid, signal: 0)
        case nil:
            break
        }
        return .nothing
    }

    /// Takes the end of threads that had stopped and were killed since; `forgetLost` drops them.
    private func takeEnds(of pid: PID, and others: Set<TID>) {
        guard let place = placeOf[pid] else { return }
        for tid in others.union(processes[place].threads.map(\.tid)) { _ = Self.hasEnded(tid) }
    }

    /// A task that is born while its creator is seized belongs to us already. A vfork(2) child must run on, or its
    /// parent never stops: it is let go and found again by the next look.
    private mutating func noteBirth(_ tid: TID, event: Int32) throws(TraceError) {
        guard
            [CP_PTRACE_EVENT_FORK, CP_PTRACE_EVENT_VFORK, CP_PTRACE_EVENT_CLONE].contains(Int(event)),
            let message = try? Ptrace.eventMessage(tid)
        else { return }
        let born = TID(Int32(truncatingIfNeeded: message))
        if Int(event) == CP_PTRACE_EVENT_VFORK {
            var backoff = Backoff()
            while (try? Ptrace.detach(born)) == nil, !deadline.hasPassed {
                if Self.hasEnded(born) { break }
                backoff.pause()
            }
        } else {
            attachedAtBirth.insert(born)
        }
    }

    /// Resumes a thread that stopped for another reason than ours, and asks again: any stop takes back the request for
    /// one (kernel/signal.c, ptrace_stop).
    private func goOn(_ tid: TID, signal: Int32) throws(TraceError) {
        do throws(Errno) {
            try Ptrace.interrupt(tid)
            try Ptrace.resume(tid, signal: signal)
        } catch {
            if error == .noProcess { return }
            throw .failed(operation: "PTRACE_CONT", tid: tid, errno: error)
        }
    }

    /// Lets go of threads that may or may not have stopped yet; a thread must stop before it can be detached.
    static func release(_ threads: Set<TID>) {
        for tid in threads {
            var backoff = Backoff()
            let deadline = Deadline.after(milliseconds: 1000)
            var signal: Int32 = 0
            while (try? Ptrace.detach(tid, signal: signal)) == nil, !deadline.hasPassed {
                do throws(Errno) {
                    let status = try Wait.poll(tid)
                    if status?.isEnd == true { break }
                    if case .signalStop(let pending) = status { signal = pending }
                } catch {
                    break
                }
                backoff.pause()
            }
        }
    }

    /// Takes a thread's next change of state; true when it is gone.
    private static func hasEnded(_ tid: TID) -> Bool {
        do throws(Errno) {
            return try Wait.poll(tid)?.isEnd == true
        } catch {
            return true
        }
    }
}
