import CPlatform
import Glibc

/// Makes the threads of a process and gives each what is its own, apart from credentials, registers and mask.
struct ThreadBuilder {
    /// CPUs that tasks of an image without any may use: ours before we bound ourselves to one.
    let affinity: [UInt64]

    /// Makes all threads but the leader; the memory has to be there.
    func makeOthers(
        _ process: StubProcess, noting note: (TID) -> Void
    ) throws(RestoreError) {
        // VM, FS, FILES, SIGHAND, THREAD, SYSVSEM
        let flags: UInt64 = 0x100 | 0x200 | 0x400 | 0x800 | 0x1_0000 | 0x4_0000
        for image in process.image.threads.dropFirst() {
            let thread = try process.leader.spawn(image.tid, flags: flags, exitSignal: 0)
            note(thread.tid)
            process.others.append(thread)
        }
    }

    /// Name, addresses that the kernel writes to at the thread's end, alternate stack, rseq, scheduling.
    func prepare(_ thread: StubThread, _ image: ThreadImage) throws(RestoreError) {
        var calls = CallList()
        // Name and alternate stack lie side by side in the scratch area.
        var data = Self.name(image) + [UInt8](repeating: 0, count: 8)
        let scratch = Int(thread.scratch.rawValue)
        calls.add("prctl", CP_SYS_prctl, Self.setName, scratch)
        if image.clearTIDAddress != 0 {
            calls.add("set_tid_address", CP_SYS_set_tid_address, Int(image.clearTIDAddress))
        }
        if image.robustList != 0 {
            calls.add(
                "set_robust_list", CP_SYS_set_robust_list, Int(image.robustList),
                Int(image.robustListLength))
        }
        let stack = image.alternateStack
        let disabled: UInt32 = 2
        if stack.flags & disabled == 0 && stack.size != 0 {
            // SS_ONSTACK is a state, not a request.
            let onStack: UInt32 = 1
            calls.add("sigaltstack", CP_SYS_sigaltstack, scratch + data.count, 0)
            for word in [stack.pointer, UInt64(stack.flags & ~onStack), stack.size] {
                withUnsafeBytes(of: word) { data += $0 }
            }
        }
        if let rseq = image.rseq, rseq.pointer != 0 {
            calls.add(
                "rseq", CP_SYS_rseq, Int(rseq.pointer), Int(rseq.size), 0, Int(rseq.signature))
        }
        if let policy = image.memoryPolicy {
            try MemoryPolicies.set(policy, of: thread)
        }
        if let isEarly = image.isKilledEarly {
            let (setPolicy, own) = (33, 1)
            calls.add("prctl", CP_SYS_prctl, setPolicy, own, isEarly ? 1 : 0, 0, 0)
        }
        let setTimerSlack = 29
        // A real-time thread has none, and the kernel takes none from it.
        if let slack = image.timerSlack, slack != 0, !Self.isRealTime(image) {
            calls.add("prctl", CP_SYS_prctl, setTimerSlack, Int(clamping: slack))
        }
        _ = try thread.put(data)
        try calls.run(in: thread)
        try schedule(thread, image)
    }

    func name(_ thread: StubThread, _ image: ThreadImage) throws(RestoreError) {
        try thread.call("prctl", CP_SYS_prctl, Self.setName, try thread.put(Self.name(image)))
    }

    /// PR_SET_NAME
    private static let setName = 15

    /// The name with the zero that ends it.
    private static func name(_ image: ThreadImage) -> [UInt8] {
        Array((image.commBytes ?? Array(image.comm.utf8)).prefix(15)) + [0]
    }

    private static func isRealTime(_ image: ThreadImage) -> Bool {
        [1, 2, 6].contains((image.schedulingPolicy ?? 0) & ~SchedulingAttributes.resetOnFork)
    }

    private func schedule(_ thread: StubThread, _ image: ThreadImage) throws(RestoreError) {
        let tid = Int(thread.tid.rawValue)
        let cpus = image.affinity.isEmpty ? affinity : image.affinity
        try RestoreError.about("task \(tid)", "its CPU affinity cannot be set") { () throws(Errno) -> Void in
            try Affinity.set(thread.tid, cpus)
        }
        let resetOnFork = SchedulingAttributes.resetOnFork
        if let deadline = image.deadline {
            let resets = (image.schedulingPolicy ?? 0) & resetOnFork != 0
            do throws(Errno) {
                try SchedulingAttributes.setDeadline(thread.tid, deadline, resetsOnFork: resets)
            } catch {
                throw RestoreError(
                    "task \(tid)", "SCHED_DEADLINE cannot be set", errno: error,
                    remedy: error == .busy
                        ? "free processor time that is promised to other such tasks" : nil)
            }
        } else if let policy = image.schedulingPolicy {
            try RestoreError.about("task \(tid)", "its scheduling policy \(policy) cannot be set") {
                () throws(Errno) -> Void in
                let isRealTime = [1, 2].contains(policy & ~resetOnFork)
                var priority = isRealTime ? Int32(bitPattern: image.schedulingPriority ?? 1) : 0
                try withUnsafeMutablePointer(to: &priority) { (pointer) throws(Errno) -> Void in
                    try systemCall(CP_SYS_sched_setscheduler, tid, Int(policy), Int(bitPattern: pointer))
                }
            }
        }
        if let nice = image.nice, image.deadline == nil {
            try RestoreError.about("task \(tid)", "its nice value \(nice) cannot be set") {
                () throws(Errno) -> Void in
                // The system call gives 20 - nice, so that no value looks like an error.
                if try systemCall(CP_SYS_getpriority, 0, tid) != 20 - Int(nice) {
                    try systemCall(CP_SYS_setpriority, 0, tid, Int(nice))
                }
            }
        }
        if let slice = image.slice, SchedulingAttributes.of(thread.tid)?.slice != slice {
            try RestoreError.about("task \(tid)", "its time slice of \(slice) ns cannot be set") {
                () throws(Errno) -> Void in try SchedulingAttributes.setSlice(thread.tid, slice)
            }
        }
        if let priority = image.ioPriority, IOPriority.of(thread.tid) != priority {
            try RestoreError.about("task \(tid)", "its I/O priority \(priority) cannot be set") {
                () throws(Errno) -> Void in try IOPriority.set(thread.tid, priority)
            }
        }
    }
}

/// CPUs that a thread may run on, as 64-bit words. See sched_setaffinity(2).
enum Affinity {
    static func get(_ tid: TID) throws(Errno) -> [UInt64] {
        var words = [UInt64](repeating: 0, count: 128)
        let size = try words.withUnsafeMutableBufferPointer { (buffer) throws(Errno) -> Int in
            try systemCall(
                CP_SYS_sched_getaffinity, Int(tid.rawValue), buffer.count * 8,
                Int(bitPattern: buffer.baseAddress))
        }
        return Array(words[0..<(size / 8)])
    }

    static func set(_ tid: TID, _ words: [UInt64]) throws(Errno) {
        try words.withUnsafeBufferPointer { (buffer) throws(Errno) -> Void in
            try systemCall(
                CP_SYS_sched_setaffinity, Int(tid.rawValue), buffer.count * 8,
                Int(bitPattern: buffer.baseAddress))
        }
    }
}
