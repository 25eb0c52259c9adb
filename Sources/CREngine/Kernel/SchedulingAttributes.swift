import CPlatform

/// What sched_getattr(2) says of a thread beyond /proc/PID/stat.
struct SchedulingAttributes: Equatable {
    /// SCHED_RESET_ON_FORK, as sched_getscheduler(2) adds it to the policy.
    static let resetOnFork: UInt32 = 0x4000_0000

    /// `struct sched_attr` of version 0, in its order.
    private struct Raw: BitwiseCopyable {
        var size: UInt32 = 48
        var policy: UInt32 = 0
        var flags: UInt64 = 0
        var nice: Int32 = 0
        var priority: UInt32 = 0
        var runtime: UInt64 = 0
        var deadline: UInt64 = 0
        var period: UInt64 = 0
    }

    var resetsOnFork: Bool
    /// Nanoseconds that a thread of SCHED_OTHER or SCHED_BATCH runs in one go (Linux 6.12); 0 for none.
    var slice: UInt64

    /// Nil for another policy than SCHED_DEADLINE.
    var deadline: DeadlineImage?

    static let deadlinePolicy: UInt32 = 6

    /// Nil where the kernel refuses.
    static func of(_ tid: TID) -> SchedulingAttributes? {
        guard let raw = try? read(tid) else { return nil }
        var found = SchedulingAttributes(
            resetsOnFork: raw.flags & 1 != 0, slice: [0, 3].contains(raw.policy) ? raw.runtime : 0)
        if raw.policy == deadlinePolicy {
            found.deadline = DeadlineImage(
                runtime: raw.runtime, deadline: raw.deadline, period: raw.period, flags: raw.flags & ~1)
        }
        return found
    }

    /// Makes a thread one of SCHED_DEADLINE. Throws EBUSY where the processors are promised to others already.
    static func setDeadline(_ tid: TID, _ image: DeadlineImage, resetsOnFork: Bool) throws(Errno) {
        var raw = Raw()
        raw.policy = deadlinePolicy
        raw.flags = image.flags & ~1 | (resetsOnFork ? 1 : 0)
        (raw.runtime, raw.deadline, raw.period) = (image.runtime, image.deadline, image.period)
        try withUnsafeMutablePointer(to: &raw) { (pointer) throws(Errno) -> Void in
            try systemCall(CP_SYS_sched_setattr, Int(tid.rawValue), Int(bitPattern: pointer), 0)
        }
    }

    /// Gives a thread this slice and leaves all else of its scheduling.
    static func setSlice(_ tid: TID, _ slice: UInt64) throws(Errno) {
        var raw = try read(tid)
        raw.size = 48
        raw.runtime = slice
        try withUnsafeMutablePointer(to: &raw) { (pointer) throws(Errno) -> Void in
            try systemCall(CP_SYS_sched_setattr, Int(tid.rawValue), Int(bitPattern: pointer), 0)
        }
    }

    /// Whether a thread's utilisation is clamped otherwise than by default; false for a kernel that cannot clamp.
    static func clampsUtilisation(_ tid: TID) -> Bool {
        // Version 1 has util_min and util_max behind version 0.
        var bytes = [UInt32](repeating: 0, count: 14)
        let result = bytes.withUnsafeMutableBytes { raw in
            cp_syscall(
                CP_SYS_sched_getattr, Int(tid.rawValue), Int(bitPattern: raw.baseAddress), 56, 0, 0, 0)
        }
        guard result == 0, bytes[0] >= 56 else { return false }
        let (policy, least, most) = (bytes[1], bytes[12], bytes[13])
        let full: UInt32 = 1024
        if least == 0 && most == 0 { return false }
        // Real-time threads ask for all by default (sched_util_clamp_min_rt_default).
        return most != full || least != 0 && !([1, 2].contains(policy) && least == full)
    }

    private static func read(_ tid: TID) throws(Errno) -> Raw {
        var raw = Raw()
        try withUnsafeMutablePointer(to: &raw) { (pointer) throws(Errno) -> Void in
            try systemCall(CP_SYS_sched_getattr, Int(tid.rawValue), Int(bitPattern: pointer), 48, 0)
        }
        return raw
    }
}

/// Core scheduling, see Documentation/admin-guide/hw-vuln/core-scheduling.rst.
enum CoreScheduling {
    /// False where the kernel or the machine has none.
    static func hasCookie(_ tid: TID) -> Bool {
        let (coreScheduling, get, ofThread) = (62, 0, 0)
        var cookie: UInt64 = 0
        let result = withUnsafeMutablePointer(to: &cookie) { pointer in
            cp_syscall(
                CP_SYS_prctl, coreScheduling, get, Int(tid.rawValue), ofThread, Int(bitPattern: pointer), 0)
        }
        return result == 0 && cookie != 0
    }
}

/// The I/O priority of a thread. See ioprio_set(2).
enum IOPriority {
    private static let ofProcess = 1

    /// class<<13|level, 0 for none set; nil where the kernel refuses.
    static func of(_ tid: TID) -> UInt32? {
        (try? systemCall(CP_SYS_ioprio_get, ofProcess, Int(tid.rawValue))).map {
            UInt32(truncatingIfNeeded: $0)
        }
    }

    static func set(_ tid: TID, _ priority: UInt32) throws(Errno) {
        try systemCall(CP_SYS_ioprio_set, ofProcess, Int(tid.rawValue), Int(priority))
    }
}
