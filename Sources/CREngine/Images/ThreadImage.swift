/// One thread: `core-TID.img`.
package struct ThreadImage: Equatable, Sendable {
    package var tid: TID
    package var registers = RegisterImage()
    /// The whole XSAVE area in the standard (not compacted) layout as PTRACE_GETREGSET NT_X86_XSTATE gives it.
    package var xsave: [UInt8] = []
    package var clearTIDAddress: UInt64 = 0
    package var robustList: UInt64 = 0
    package var robustListLength: UInt32 = 0
    /// Blocked signals, bit n-1 is signal n.
    package var signalMask: UInt64 = 0
    package var alternateStack = AlternateStackImage()
    /// -20...19
    package var nice: Int32?
    /// SCHED_*, with SCHED_RESET_ON_FORK as the kernel gives it.
    package var schedulingPolicy: UInt32?
    package var schedulingPriority: UInt32?
    package var parentDeathSignal: UInt32?
    /// Raw siginfo_t of 128 bytes each, this thread's own queue.
    package var pendingSignals: [[UInt8]] = []
    package var credentials = CredentialsImage()
    /// At most 15 bytes.
    package var comm: String
    package var rseq: RseqImage?
    /// SECCOMP_MODE_*; nil is none.
    package var seccompMode: UInt32?
    /// Index in `TreeImage.seccompFilters` of the thread's oldest filter.
    package var seccompFilter: UInt32?
    /// State of a user shadow stack.
    package var shadowStack: ShadowStackImage?
    package var cgroupSet: UInt32? = 1
    /// CPUs of sched_getaffinity(2) as 64-bit words; CRIU has no field for it, so it is in our own `crplan.json`.
    package var affinity: [UInt64] = []
    // These too are in `crplan.json` alone.
    /// Bytes of a comm that is no UTF-8.
    package var commBytes: [UInt8]?
    /// Nanoseconds, PR_SET_TIMERSLACK of prctl(2).
    package var timerSlack: UInt64?
    /// Nil for the default.
    package var memoryPolicy: MemoryPolicyImage?
    /// class<<13|level of ioprio_set(2).
    package var ioPriority: UInt32?
    /// Nanoseconds, sched_runtime of sched_setattr(2) for SCHED_OTHER and SCHED_BATCH.
    package var slice: UInt64?
    /// Of SCHED_DEADLINE.
    package var deadline: DeadlineImage?
    /// PR_MCE_KILL of prctl(2): whether it is killed early; nil for the system's own policy.
    package var isKilledEarly: Bool?

    package init(tid: TID, comm: String) {
        self.tid = tid
        self.comm = comm
    }
}

/// `struct user_regs_struct` of x86-64, by the kernel's names.
package struct RegisterImage: Equatable, Sendable {
    package var r15: UInt64 = 0
    package var r14: UInt64 = 0
    package var r13: UInt64 = 0
    package var r12: UInt64 = 0
    package var bp: UInt64 = 0
    package var bx: UInt64 = 0
    package var r11: UInt64 = 0
    package var r10: UInt64 = 0
    package var r9: UInt64 = 0
    package var r8: UInt64 = 0
    package var ax: UInt64 = 0
    package var cx: UInt64 = 0
    package var dx: UInt64 = 0
    package var si: UInt64 = 0
    package var di: UInt64 = 0
    /// All ones when the thread was not in a system call.
    package var origAx: UInt64 = .max
    package var ip: UInt64 = 0
    package var cs: UInt64 = 0
    package var flags: UInt64 = 0
    package var sp: UInt64 = 0
    package var ss: UInt64 = 0
    package var fsBase: UInt64 = 0
    package var gsBase: UInt64 = 0
    package var ds: UInt64 = 0
    package var es: UInt64 = 0
    package var fs: UInt64 = 0
    package var gs: UInt64 = 0
    package init() {}
}

/// `struct sched_attr` of a thread of SCHED_DEADLINE, times in nanoseconds. See sched(7).
package struct DeadlineImage: Codable, Equatable, Sendable {
    package var runtime: UInt64
    package var deadline: UInt64
    package var period: UInt64
    /// SCHED_FLAG_RECLAIM (2) and SCHED_FLAG_DL_OVERRUN (4).
    package var flags: UInt64
    package var tellsOverrun: Bool { flags & 4 != 0 }
    package init(runtime: UInt64, deadline: UInt64, period: UInt64, flags: UInt64) {
        self.runtime = runtime
        self.deadline = deadline
        self.period = period
        self.flags = flags
    }
}

/// sigaltstack(2); flags 2 is SS_DISABLE.
package struct AlternateStackImage: Equatable, Sendable {
    package var pointer: UInt64 = 0
    package var size: UInt64 = 0
    package var flags: UInt32 = 2
    package init() {}
}

/// Ids, capability sets (bit n is capability n) and securebits of one thread.
package struct CredentialsImage: Equatable, Sendable {
    package var uid: UInt32 = 0
    package var gid: UInt32 = 0
    package var euid: UInt32 = 0
    package var egid: UInt32 = 0
    package var suid: UInt32 = 0
    package var sgid: UInt32 = 0
    package var fsuid: UInt32 = 0
    package var fsgid: UInt32 = 0
    package var inheritable: UInt64 = 0
    package var permitted: UInt64 = 0
    package var effective: UInt64 = 0
    package var bounding: UInt64 = 0
    package var ambient: UInt64 = 0
    package var securebits: UInt32 = 0
    package var groups: [UInt32] = []
    package var noNewPrivileges: Bool = false
    /// AppArmor profile or SELinux context; nil without such a module.
    package var securityProfile: String?
    /// SELinux context of sockets to be made.
    package var socketProfile: String?
    package init() {}
}

/// Where new memory of a thread or an area comes from, as set_mempolicy(2) and mbind(2) have it. In our own `crplan.json`.
package struct MemoryPolicyImage: Codable, Equatable, Sendable {
    /// As many as the kernel can be built for.
    package static let mostNodes = 1024
    /// MPOL_* with its flags.
    package var mode: Int32
    /// A bit a node.
    package var nodes: [UInt64] = []
    /// Of set_mempolicy_home_node(2), for an area.
    package var homeNode: UInt32?
    package init(mode: Int32) { self.mode = mode }
}

/// rseq(2) registration.
package struct RseqImage: Equatable, Sendable {
    package var pointer: UInt64
    package var size: UInt32
    package var signature: UInt32
    /// Only with NO_RESTART_ON_SIGNAL, see the image format.
    package var criticalSection: UInt64?
    package init(pointer: UInt64, size: UInt32, signature: UInt32) {
        self.pointer = pointer
        self.size = size
        self.signature = signature
    }
}

/// arch_prctl(2) shadow stack features, and the pointer (NT_X86_SHSTK).
package struct ShadowStackImage: Equatable, Sendable {
    /// ARCH_SHSTK_* bits; 0 is off.
    package var features: UInt64
    package var pointer: UInt64
    package init(features: UInt64, pointer: UInt64) {
        self.features = features
        self.pointer = pointer
    }
}
