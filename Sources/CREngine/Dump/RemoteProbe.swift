import CPlatform
import Glibc

/// Asks one frozen process what only it can tell.
///
/// One session for each thread that must be asked; the first maps a scratch page for results, the last unmaps it, and the place of the stub is
/// zero again afterwards. The journal knows of both before they come to be.
package struct RemoteProbe: ~Copyable {
    /// What the probe must be told of the process.
    package struct Request: Sendable {
        /// Where the healing stub and the scratch mapping go.
        package var places: RemotePlaces
        /// Signals with a handler or ignored, bit n-1 is signal n: the others have the default action.
        package var nonDefaultSignals: UInt64
        /// Timers as /proc/PID/timers has them, times still unknown.
        package var posixTimers: [PosixTimerImage]
        /// For each thread a process whom it may look at unless it is in a Landlock domain.
        package var strangers: [TID: PID]
        /// Threads in the strict mode of seccomp(2).
        package var strictThreads: Set<TID> = []
        /// Areas that mbind(2) may have been called for.
        package var policies: [NodePolicy] = []
        /// Semaphores that the process may have adjustments of.
        package var semaphores: [SemaphoreSetRow] = []
        /// They are in an ipc namespace that is not ours.
        package var hasOwnIPC = false
        /// What the kernel tells of threads without them.
        package var notes: [TID: ThreadNote] = [:]

        package init(
            places: RemotePlaces, nonDefaultSignals: UInt64, posixTimers: [PosixTimerImage],
            strangers: [TID: PID] = [:]
        ) {
            self.strangers = strangers
            self.places = places
            self.nonDefaultSignals = nonDefaultSignals
            self.posixTimers = posixTimers
        }
    }

    private let process: FrozenProcess
    private let request: Request
    private let faults: FaultPoints
    /// Gets a userfaultfd of the process, where it has none yet.
    private let writes: WriteTracker?

    private var stub: RemoteAddress { request.places.stub }
    private var scratch: RemoteAddress { request.places.scratch }
    private static var scratchSize: UInt64 { RemotePlaces.scratchSize }

    package init(
        process: FrozenProcess, request: Request, faults: FaultPoints, writes: WriteTracker? = nil
    ) {
        self.writes = writes
        self.process = process
        self.request = request
        self.faults = faults
    }

    /// Runs all sessions of the process. `place` is its record in the journal.
    package func run(
        _ tree: borrowing FrozenTree, journal: borrowing UndoJournal, place: Int
    ) throws(TraceError) -> RemoteFacts {
        var record = UndoJournal.Record(pid: process.pid, startTime: process.startTime)
        record.stub = stub.rawValue
        record.scratch = scratch.rawValue
        record.scratchSize = Self.scratchSize
        record.mayHoldUserfault = writes?.needsWatch(process.pid) ?? false
        try write(journal, record, place)

        let writer = StubWriter(pid: process.pid, place: stub, scratch: scratch, faults: faults)
        var facts = RemoteFacts()
        var isMapped = request.places.scratchIsLeftBehind
        var pinned = PinnedToTask()
        defer { pinned.undo() }
        do throws(TraceError) {
            let asked = ThreadsToAsk(process.threads, request.notes)
            for (index, thread) in asked.threads.enumerated() {
                let isLast = index == asked.threads.count - 1
                try writer.write(for: thread)
                pinned.move(process.pid, thread.tid)
                facts = try tree.withSession(thread, stub: stub, faults: faults) {
                    (session) throws(TraceError) -> RemoteFacts in
                    var known = facts
                    if index == 0 {
                        if request.places.scratchIsLeftBehind { try unmapScratch(&session) }
                        isMapped = false
                        let locked = lockedKilobytes()
                        // Where a step after the call itself fails, the page is there.
                        isMapped = true
                        do throws(TraceError) {
                            try mapScratch(&session)
                        } catch {
                            if case .remoteCall = error { isMapped = false }
                            throw error
                        }
                        if lockedKilobytes() != locked { known.futureLocks = futureLocks() }
                        known.refusals = try RemoteOddities.ask(
                            &session, pid: process.pid, scratch: scratch,
                            scratchSize: Self.scratchSize,
                            isStrict: request.strictThreads.contains(thread.tid))
                        try askProcess(&session, &known)
                        try askForPolicies(&session, &known)
                        try writes?.begin(&session, process)
                        try askForAdjustments(&session, &known)
                    }
                    known.threads[thread.tid] = try askThread(thread.tid, &session)
                    if let stranger = request.strangers[thread.tid],
                        try Landlock.confines(&session, stranger)
                    {
                        known.refusals.append(
                            "thread \(thread.tid) is in a Landlock domain, which nothing can read and no image can hold"
                        )
                    }
                    if isLast {
                        try unmapScratch(&session)
                        isMapped = false
                    }
                    return known
                }
            }
            for (thread, likeness) in asked.others {
                guard let note = request.notes[thread.tid] else { continue }
                facts.threads[thread.tid] = try Self.facts(
                    of: thread, note, likeness: facts.threads[likeness])
            }
        } catch {
            if isMapped { try? removeScratch(tree, writer) }
            try writer.erase()
            try clear(journal, place)
            throw error
        }
        try writer.erase()
        try clear(journal, place)
        return facts
    }

    private func removeScratch(_ tree: borrowing FrozenTree, _ writer: borrowing StubWriter)
        throws(TraceError)
    {
        guard let leader = process.threads.first else { return }
        try writer.write(for: leader)
        try tree.withSession(leader, stub: stub, faults: faults) { (session) throws(TraceError) in
            try unmapScratch(&session)
        }
    }

    private func mapScratch(_ session: inout RemoteSession) throws(TraceError) {
        // PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED_NOREPLACE
        try session.require(
            "mmap", CP_SYS_mmap, scratch.rawValue, Self.scratchSize, 3, 0x100022, .max, 0)
    }

    /// VmLck: an area that is locked from its beginning, as the scratch page may be, adds to it.
    private func lockedKilobytes() -> Substring? {
        guard let bytes = try? ProcDirectory.open("/proc/\(process.pid)").read("status") else { return nil }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").first {
            $0.hasPrefix("VmLck:")
        }
    }

    /// MCL_FUTURE, with MCL_ONFAULT if the locked scratch page is not there yet.
    private func futureLocks() -> UInt32 {
        let present: UInt64 = 1 << 63
        var word = present
        if let pagemap = try? OwnedFD.open("/proc/\(process.pid)/pagemap", O_RDONLY) {
            withUnsafeMutablePointer(to: &word) {
                _ = try? systemCall(
                    CP_SYS_pread64, Int(pagemap.rawValue), Int(bitPattern: $0), 8,
                    Int(scratch.rawValue / Self.scratchSize) * 8)
            }
        }
        return word & present != 0 ? 2 : 2 | 4
    }

    private func unmapScratch(_ session: inout RemoteSession) throws(TraceError) {
        try session.require("munmap", CP_SYS_munmap, scratch.rawValue, Self.scratchSize)
    }

    private func askProcess(_ session: inout RemoteSession, _ facts: inout RemoteFacts) throws(TraceError) {
        let scratch = self.scratch.rawValue
        var place = 0
        for signal in 1...64 where signal != 9 && signal != 19 {
            if request.nonDefaultSignals & 1 << UInt64(signal - 1) != 0 {
                try session.require("rt_sigaction", CP_SYS_rt_sigaction, UInt64(signal), 0, scratch, 8)
                let raw = try result(cp_kernel_sigaction.self)
                facts.signalActions[place].handler = raw.handler
                facts.signalActions[place].flags = raw.flags
                facts.signalActions[place].restorer = raw.restorer
                facts.signalActions[place].mask = raw.mask
            }
            place += 1
        }
        facts.realTimer = try intervalTimer(&session, 0)
        facts.virtualTimer = try intervalTimer(&session, 1)
        facts.profilingTimer = try intervalTimer(&session, 2)
        for timer in request.posixTimers {
            try session.require("timer_gettime", CP_SYS_timer_gettime, UInt64(timer.id), scratch)
            let times = try result((UInt64, UInt64, UInt64, UInt64).self)
            var known = timer
            (known.intervalSeconds, known.intervalNanoseconds, known.valueSeconds, known.valueNanoseconds) =
                times
            known.overrun = UInt32(
                truncatingIfNeeded: try session.require(
                    "timer_getoverrun", CP_SYS_timer_getoverrun, UInt64(timer.id)))
            facts.posixTimers.append(known)
        }
        facts.brk = try session.require("brk", CP_SYS_brk, 0)
        facts.dumpable = Int32(truncatingIfNeeded: try session.require("prctl", CP_SYS_prctl, 3))
        try session.require("prctl", CP_SYS_prctl, 37, scratch)  // PR_GET_CHILD_SUBREAPER
        facts.isChildSubreaper = try result(Int32.self) != 0
        if case .success(let value) = try session.call(CP_SYS_prctl, 42) {  // PR_GET_THP_DISABLE
            facts.thpDisabled = value != 0
            if value > 1 { facts.refusals.append("PR_THP_DISABLE_EXCEPT_ADVISED is not carried") }
        }
        if case .success(let value) = try session.call(CP_SYS_prctl, 66) {  // PR_GET_MDWE
            facts.deniesWriteExecute = UInt32(truncatingIfNeeded: value)
        }
        if case .success(let value) = try session.call(CP_SYS_prctl, 68) {  // PR_GET_MEMORY_MERGE
            facts.mergesMemory = value != 0
        }
        if case .success(let value) = try session.call(CP_SYS_membarrier, 1 << 9) {  // GET_REGISTRATIONS
            facts.membarrierRegistrations = UInt32(truncatingIfNeeded: value)
        }
    }

    private func askForAdjustments(
        _ session: inout RemoteSession, _ facts: inout RemoteFacts
    ) throws(TraceError) {
        let probe = UndoProbe(pid: process.pid, scratch: scratch)
        for set in request.semaphores {
            // One that is gone by now, or that we may not read, is none of the tree's.
            guard let values = values(of: set) else { continue }
            facts.adjustments += try probe.adjustments(of: set.object.id, values: values, &session)
        }
    }

    private func values(of set: SemaphoreSetRow) -> [UInt16]? {
        if !request.hasOwnIPC { return try? SystemV.values(of: set.object.id, count: set.count) }
        return try? NamespaceVisit.run(.ipc, of: process.pid, refusal: \.errno) { () throws(Errno) in
            try SystemV.values(of: set.object.id, count: set.count)
        }
    }

    /// Each answer has a place of its own in the scratch page, so that they are read in one go.
    private func askThread(
        _ tid: TID, _ session: inout RemoteSession
    ) throws(TraceError) -> RemoteFacts.Thread {
        let scratch = self.scratch.rawValue
        var facts = RemoteFacts.Thread()
        (facts.robustList, facts.robustListLength) = try Self.robustList(tid)
        facts.memoryPolicy = try memoryPolicy(&session, of: nil)
        facts.timerSlack = try session.require("prctl", CP_SYS_prctl, 30)  // PR_GET_TIMERSLACK
        facts.securebits = UInt32(truncatingIfNeeded: try session.require("prctl", CP_SYS_prctl, 27))
        try session.require("prctl", CP_SYS_prctl, 40, scratch)  // PR_GET_TID_ADDRESS
        try session.require("prctl", CP_SYS_prctl, 2, scratch + 8)  // PR_GET_PDEATHSIG
        try session.require("sigaltstack", CP_SYS_sigaltstack, 0, scratch + 16)
        let answers = try result((UInt64, UInt32, UInt32, UInt64, UInt64, UInt64).self)
        facts.tidAddress = answers.0
        facts.parentDeathSignal = answers.1
        facts.alternateStack.pointer = answers.3
        facts.alternateStack.flags = UInt32(truncatingIfNeeded: answers.4)
        facts.alternateStack.size = answers.5
        return facts
    }

    /// What is known of a thread that was not asked; `likeness` is of one with the same credentials.
    private static func facts(
        of thread: FrozenThread, _ note: ThreadNote, likeness: RemoteFacts.Thread?
    ) throws(TraceError) -> RemoteFacts.Thread {
        var facts = RemoteFacts.Thread()
        (facts.robustList, facts.robustListLength) = try robustList(thread.tid)
        facts.timerSlack = note.timerSlack
        facts.securebits = likeness?.securebits ?? 0
        facts.tidAddress = note.tidAddress
        facts.parentDeathSignal = note.parentDeathSignal
        facts.alternateStack = note.alternateStack(stackPointer: thread.continuation.kernel.sp)
        return facts
    }

    /// Head and length of the thread's list of robust mutexes, which the kernel tells tracers too.
    private static func robustList(_ tid: TID) throws(TraceError) -> (UInt64, UInt32) {
        var answer: (head: UInt64, length: UInt64) = (0, 0)
        do throws(Errno) {
            try withUnsafeMutablePointer(to: &answer) { (pointer) throws(Errno) -> Void in
                let address = Int(bitPattern: pointer)
                try systemCall(CP_SYS_get_robust_list, Int(tid.rawValue), address, address + 8)
            }
        } catch {
            throw .failed(operation: "reading its list of robust mutexes", tid: tid, errno: error)
        }
        return (answer.head, UInt32(truncatingIfNeeded: answer.length))
    }

    private func askForPolicies(
        _ session: inout RemoteSession, _ facts: inout RemoteFacts
    ) throws(TraceError) {
        for area in request.policies {
            guard var policy = try memoryPolicy(&session, of: area.start) else { continue }
            policy.homeNode = area.homeNode
            facts.areaPolicies[area.start] = policy
        }
    }

    /// Where new memory of the thread, or of an area, comes from; nil for the default, and for a kernel without NUMA.
    private func memoryPolicy(
        _ session: inout RemoteSession, of address: UInt64?
    ) throws(TraceError) -> MemoryPolicyImage? {
        let ofAddress: UInt64 = 2  // MPOL_F_ADDR
        let nodes = scratch.rawValue + 64
        // The last bit is not counted; see get_mempolicy(2).
        let mostNodes = UInt64(MemoryPolicyImage.mostNodes + 1)
        guard
            case .success = try session.call(
                CP_SYS_get_mempolicy, scratch.rawValue, nodes, mostNodes, address ?? 0,
                address == nil ? 0 : ofAddress)
        else { return nil }
        let mode = try result(Int32.self)
        if mode == 0 { return nil }
        var policy = MemoryPolicyImage(mode: mode)
        do throws(Errno) {
            for word in 0..<MemoryPolicyImage.mostNodes / 64 {
                policy.nodes.append(
                    try RemoteMemory.value(process.pid, RemoteAddress(nodes) + word * 8, as: UInt64.self))
            }
        } catch {
            throw .failed(operation: "reading a result", tid: process.pid.leader, errno: error)
        }
        return policy
    }

    private func intervalTimer(_ session: inout RemoteSession, _ which: UInt64) throws(TraceError)
        -> IntervalTimerImage
    {
        try session.require("getitimer", CP_SYS_getitimer, which, scratch.rawValue)
        let raw = try result((UInt64, UInt64, UInt64, UInt64).self)
        var timer = IntervalTimerImage()
        (timer.intervalSeconds, timer.intervalMicroseconds, timer.valueSeconds, timer.valueMicroseconds) = raw
        return timer
    }

    /// What the last call left at the start of the scratch page.
    private func result<T: BitwiseCopyable>(_ type: T.Type) throws(TraceError) -> T {
        do throws(Errno) {
            return try RemoteMemory.value(process.pid, scratch, as: type)
        } catch {
            throw .failed(operation: "reading a result", tid: process.pid.leader, errno: error)
        }
    }

    private func write(
        _ journal: borrowing UndoJournal, _ record: UndoJournal.Record, _ place: Int
    ) throws(TraceError) {
        do throws(Errno) {
            try journal.set(record, at: place)
        } catch {
            throw .failed(operation: "writing the undo journal", tid: process.pid.leader, errno: error)
        }
        faults.pass("the journal knows")
    }

    private func clear(_ journal: borrowing UndoJournal, _ place: Int) throws(TraceError) {
        do throws(Errno) {
            try journal.clear(at: place)
        } catch {
            throw .failed(operation: "writing the undo journal", tid: process.pid.leader, errno: error)
        }
        faults.pass("the journal has forgotten")
    }
}
