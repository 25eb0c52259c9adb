import CPlatform
import Glibc

/// `core-TID.img` of the threads of one task.
struct CoreCodec {
    let xsave: XSAVECodec

    private enum State {
        static let alive: UInt32 = 1
        static let dead: UInt32 = 2
        static let stopped: UInt32 = 3
    }

    /// Packs the core of one thread; the leader's also holds what belongs to the process.
    func packed(_ thread: ThreadImage, of task: TaskImage) throws(ImageError) -> [UInt8] {
        let file = ImageName.core(thread.tid.rawValue)
        let isLeader = thread.tid == task.pid.leader
        return try MessageArena.pack { (arena) throws(ImageError) -> UnsafeMutablePointer<CoreEntry> in
            let message = arena.make(core_entry__init)
            message.pointee.mtype = CORE_ENTRY__MARCH__X86_64
            if isLeader {
                message.pointee.tc = try processMessage(task, leader: thread, in: arena, file: file)
            }
            if case .dead = task.state { return message }
            message.pointee.thread_info = try thread.registersMessage(in: arena, xsave, file: file)
            message.pointee.thread_core = thread.coreMessage(isLeader: isLeader, in: arena)
            return message
        }
    }

    private func processMessage(
        _ task: TaskImage, leader: ThreadImage, in arena: MessageArena, file: String
    ) throws(ImageError) -> UnsafeMutablePointer<TaskCoreEntry> {
        let message = arena.make(task_core_entry__init)
        message.pointee.comm = arena.string(leader.comm)
        switch task.state {
        case .alive: message.pointee.task_state = State.alive
        case .stopped(let signal):
            message.pointee.task_state = State.stopped
            (message.pointee.has_stop_signo, message.pointee.stop_signo) = (1, signal)
        case .dead(let status):
            message.pointee.task_state = State.dead
            message.pointee.exit_code = status
            return message
        }
        guard let process = task.process else {
            throw ImageError(file: file, "task \(task.pid) is alive and its process state was not collected")
        }
        message.pointee.blk_sigset = leader.signalMask
        process.fill(&message.pointee, in: arena)
        return message
    }

    /// What the core of a leader says of its process.
    struct Process {
        var state: TaskImage.State
        /// Nil for a zombie.
        var process: ProcessImage?
    }

    /// Reads a leader's core.
    func readLeader(_ entry: ImageEntry, pid: PID) throws(ImageError) -> (ThreadImage, Process) {
        try entry.read(core_entry__unpack) { (message) throws(ImageError) -> (ThreadImage, Process) in
            try checkMachine(message, entry)
            guard let task = message.tc?.pointee else {
                throw entry.error("lacks the process state of the leader (tc)")
            }
            let comm = commText(task.comm)
            switch task.task_state {
            case State.dead:
                return (
                    ThreadImage(tid: pid.leader, comm: comm),
                    Process(state: .dead(status: task.exit_code), process: nil)
                )
            case State.alive, State.stopped: break
            default: throw entry.error("task state \(task.task_state) is not known")
            }
            var thread = try thread(message, tid: pid.leader, comm: comm, entry)
            thread.signalMask = task.blk_sigset
            let state: TaskImage.State =
                task.task_state == State.stopped
                ? .stopped(signal: given(task.has_stop_signo, task.stop_signo) ?? 19) : .alive
            return (thread, Process(state: state, process: try ProcessImage(task, entry)))
        }
    }

    /// Reads the core of a thread that does not lead.
    func readThread(_ entry: ImageEntry, tid: TID, leaderComm: String) throws(ImageError) -> ThreadImage {
        try entry.read(core_entry__unpack) { (message) throws(ImageError) -> ThreadImage in
            try checkMachine(message, entry)
            guard message.tc == nil, message.ids == nil else {
                throw entry.error("thread \(tid) is no leader and has the state of a whole process")
            }
            return try thread(message, tid: tid, comm: leaderComm, entry)
        }
    }

    private func checkMachine(_ message: CoreEntry, _ entry: ImageEntry) throws(ImageError) {
        guard message.mtype == CORE_ENTRY__MARCH__X86_64 else {
            throw entry.error("is of machine type \(message.mtype.rawValue); only x86-64 (1) is supported")
        }
    }

    private func thread(
        _ message: CoreEntry, tid: TID, comm: String, _ entry: ImageEntry
    ) throws(ImageError) -> ThreadImage {
        guard let registers = message.thread_info?.pointee else {
            throw entry.error("lacks the registers (thread_info)")
        }
        guard let core = message.thread_core?.pointee else {
            throw entry.error("lacks the thread's state (thread_core)")
        }
        var thread = ThreadImage(tid: tid, comm: comm)
        try thread.readRegisters(registers, xsave, entry)
        try thread.readCore(core, entry)
        return thread
    }
}

/// A task's name; the kernel cuts it at 15 bytes, so it may end within a character, which is then left out.
private func commText(_ text: UnsafePointer<CChar>?) -> String {
    guard let text else { return "" }
    var bytes = Array(UnsafeBufferPointer(start: text, count: strlen(text))).map { UInt8(bitPattern: $0) }
    bytes = Array(bytes.prefix(15))
    for _ in 0..<4 {
        if let whole = String(validating: bytes, as: UTF8.self) { return whole }
        bytes = Array(bytes.dropLast())
    }
    return String(decoding: bytes, as: UTF8.self)
}

extension ThreadImage {
    fileprivate func coreMessage(
        isLeader: Bool, in arena: MessageArena
    ) -> UnsafeMutablePointer<ThreadCoreEntry> {
        let message = arena.make(thread_core_entry__init)
        message.pointee.futex_rla = robustList
        message.pointee.futex_rla_len = robustListLength
        if let nice { (message.pointee.has_sched_nice, message.pointee.sched_nice) = (1, nice) }
        if let schedulingPolicy {
            (message.pointee.has_sched_policy, message.pointee.sched_policy) = (1, schedulingPolicy)
        }
        if let schedulingPriority {
            (message.pointee.has_sched_prio, message.pointee.sched_prio) = (1, schedulingPriority)
        }
        if !isLeader { (message.pointee.has_blk_sigset, message.pointee.blk_sigset) = (1, signalMask) }
        let stack = arena.make(thread_sas_entry__init)
        stack.pointee.ss_sp = alternateStack.pointer
        stack.pointee.ss_size = alternateStack.size
        stack.pointee.ss_flags = alternateStack.flags
        message.pointee.sas = stack
        if let parentDeathSignal {
            (message.pointee.has_pdeath_sig, message.pointee.pdeath_sig) = (1, parentDeathSignal)
        }
        message.pointee.signals_p = SignalQueue.message(pendingSignals, in: arena)
        message.pointee.creds = credentials.message(in: arena)
        if let seccompMode {
            (message.pointee.has_seccomp_mode, message.pointee.seccomp_mode) = (1, SeccompMode(seccompMode))
        }
        if let seccompFilter {
            (message.pointee.has_seccomp_filter, message.pointee.seccomp_filter) = (1, seccompFilter)
        }
        message.pointee.comm = arena.string(comm)
        if let rseq {
            let registration = arena.make(rseq_entry__init)
            registration.pointee.rseq_abi_pointer = rseq.pointer
            registration.pointee.rseq_abi_size = rseq.size
            registration.pointee.signature = rseq.signature
            if let section = rseq.criticalSection {
                (registration.pointee.has_rseq_cs_pointer, registration.pointee.rseq_cs_pointer) = (
                    1, section
                )
            }
            message.pointee.rseq_entry = registration
        }
        if let cgroupSet { (message.pointee.has_cg_set, message.pointee.cg_set) = (1, cgroupSet) }
        return message
    }

    fileprivate mutating func readCore(_ message: ThreadCoreEntry, _ entry: ImageEntry) throws(ImageError) {
        guard let creds = message.creds?.pointee else {
            throw entry.error("thread \(tid) lacks its credentials")
        }
        credentials = try CredentialsImage(creds, entry)
        robustList = message.futex_rla
        robustListLength = message.futex_rla_len
        nice = given(message.has_sched_nice, message.sched_nice)
        if let nice, !(-20...19).contains(nice) { throw entry.error("nice value \(nice) is not in -20...19") }
        schedulingPolicy = given(message.has_sched_policy, message.sched_policy)
        schedulingPriority = given(message.has_sched_prio, message.sched_prio)
        if let schedulingPriority, schedulingPriority > 99 {
            throw entry.error("scheduling priority \(schedulingPriority) is above 99")
        }
        signalMask = message.blk_sigset
        alternateStack = AlternateStackImage()
        if let stack = message.sas?.pointee {
            alternateStack.pointer = stack.ss_sp
            alternateStack.size = stack.ss_size
            alternateStack.flags = stack.ss_flags
        }
        parentDeathSignal = given(message.has_pdeath_sig, message.pdeath_sig)
        if let parentDeathSignal, parentDeathSignal > 64 {
            throw entry.error("parent death signal \(parentDeathSignal) is above 64")
        }
        pendingSignals = try SignalQueue.read(message.signals_p, entry)
        if message.has_seccomp_mode != 0 {
            guard message.seccomp_mode.rawValue <= SECCOMP_MODE__filter.rawValue else {
                throw entry.error("seccomp mode \(message.seccomp_mode.rawValue) is not known")
            }
            seccompMode = message.seccomp_mode.rawValue
        }
        seccompFilter = given(message.has_seccomp_filter, message.seccomp_filter)
        if message.comm != nil { comm = commText(message.comm) }
        rseq = message.rseq_entry.map { pointer in
            let entry = pointer.pointee
            var image = RseqImage(
                pointer: entry.rseq_abi_pointer, size: entry.rseq_abi_size, signature: entry.signature)
            image.criticalSection = given(entry.has_rseq_cs_pointer, entry.rseq_cs_pointer)
            return image
        }
        cgroupSet = given(message.has_cg_set, message.cg_set)
    }
}
