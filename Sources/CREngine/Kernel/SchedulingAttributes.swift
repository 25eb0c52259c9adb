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

    /// Nil where the kernel refuses.
    static func of(_ tid: TID) -> SchedulingAttributes? {
        guard let raw = try? read(tid) else { return nil }
        return SchedulingAttributes(
            resetsOnFork: raw.flags & 1 != 0, slice: [0, 3].contains(raw.policy) ? raw.runtime : 0)
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

    private static func read(_ tid: TID) throws(Errno) -> Raw {
        var raw = Raw()
        try withUnsafeMutablePointer(to: &raw) { (pointer) throws(Errno) -> Void in
            try systemCall(CP_SYS_sched_getattr, Int(tid.rawValue), Int(bitPattern: pointer), 48, 0)
        }
        return raw
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
