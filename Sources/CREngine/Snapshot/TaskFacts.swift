/// One process of the tree.
///
/// Of a zombie only pid, parent, group, session, start time, state, comm and flags are known.
package struct TaskFacts: Equatable, Sendable {
    package enum State: Equatable, Sendable {
        /// Running, sleeping or, under a tracer, held.
        case alive
        /// In a kernel call that no signal ends, at this place of the kernel.
        case uninterruptible(where: String)
        /// Stopped by job control.
        case stopped
        /// Ended with this wait status (exit 7 is 0x700), its parent has not asked yet.
        case zombie(status: UInt32)
    }
    /// Places of an address space that the kernel keeps; see prctl(2), PR_SET_MM.
    package struct Layout: Hashable, Sendable {
        package var startCode: UInt64 = 0
        package var endCode: UInt64 = 0
        package var startData: UInt64 = 0
        package var endData: UInt64 = 0
        package var startStack: UInt64 = 0
        package var startBrk: UInt64 = 0
        package var argStart: UInt64 = 0
        package var argEnd: UInt64 = 0
        package var envStart: UInt64 = 0
        package var envEnd: UInt64 = 0
        package init() {}
    }
    /// The first process in snapshot order that has the same kernel object: itself where it shares with none before.
    package struct Sharing: Equatable, Sendable {
        package var files: PID
        package var memory: PID
        package var fileSystem: PID
        package var signalHandlers: PID
        package init(self pid: PID) {
            files = pid
            memory = pid
            fileSystem = pid
            signalHandlers = pid
        }
    }

    package var pid: PID
    package var parent: PID
    package var pgid: PID
    package var sid: PID
    /// Clock ticks after boot.
    package var startTime: UInt64
    package var state: State
    /// The first thread has ended, others go on: pthread_exit(3) in main.
    package var leaderHasEnded = false
    package var comm: String
    /// PF_* of include/linux/sched.h.
    package var flags: UInt32
    /// Controlling terminal; nil for none.
    package var terminal: DeviceNumber?
    /// Foreground process group of that terminal; nil for none.
    package var foreground: PID?
    /// -1 is none; the signal for the parent at exit.
    package var exitSignal: Int32 = 17
    /// User and system time in clock ticks.
    package var cpuTicks: UInt64 = 0
    /// Bytes.
    package var residentBytes: UInt64 = 0

    package var exe: FileLink?
    package var cwd: FileLink?
    /// `/` unless the task changed its root.
    package var rootDirectory: FileLink?
    package var umask: UInt32 = 0
    /// As the process itself may have changed it.
    package var arguments: [String] = []
    /// Nil where systemd watches for no report of this process.
    package var watchdog: WatchdogRequest?
    /// Hexadecimal digits of /proc/PID/personality.
    package var personality = ""
    package var layout = Layout()
    /// Words with the terminator.
    package var auxv: [UInt64] = []
    package var oomScoreAdjust: Int32 = 0
    /// /proc/PID/coredump_filter; nil where it cannot be read.
    package var coredumpFilter: UInt32?
    /// What a security module says of it, /proc/PID/attr/current; nil without such a module.
    package var securityLabel: String?
    /// All ones: never set.
    package var loginuid: UInt32 = .max
    /// 16, by RLIMIT_* number.
    package var limits: [ResourceLimit] = []
    package var namespaces = Namespaces()
    package var cgroups: [CgroupRow] = []
    package var status = TaskStatus()
    package var posixTimers: [TimerRow] = []
    /// Whether a vfork(2) parent waits for this task: it borrows the parent's address space.
    package var borrowsParentMemory: Bool {
        sharing.memory != pid
    }
    package var sharing: Sharing

    /// The leader first, the others by id.
    package var threads: [ThreadFacts] = []
    /// By address.
    package var areas: [VMA] = []
    /// Mappings whose memory is bound to nodes. Of a running process on a machine of one node it is empty.
    package var nodePolicies: [NodePolicy] = []
    /// Rings of io_setup(2); nil where the kernel does not tell of them.
    package var asyncRings: [AsyncRing]? = []
    /// By number.
    package var descriptors: [Descriptor] = []

    package init(stat: TaskStat) {
        pid = PID(stat.id)
        parent = PID(stat.parent)
        pgid = PID(stat.processGroup)
        sid = PID(stat.session)
        startTime = stat.startTime
        comm = stat.comm
        flags = stat.flags
        exitSignal = stat.exitSignal
        cpuTicks = stat.cpuTicks
        terminal = stat.terminal == 0 ? nil : DeviceNumber(encoded: stat.terminal)
        foreground = stat.terminal == 0 || stat.foreground <= 0 ? nil : PID(stat.foreground)
        sharing = Sharing(self: PID(stat.id))
        switch stat.state {
        case UInt8(ascii: "Z"), UInt8(ascii: "X"):
            state = .zombie(status: stat.exitCode)
            leaderHasEnded = stat.threadCount > 1
        case UInt8(ascii: "T"): state = .stopped
        case UInt8(ascii: "D"): state = .uninterruptible(where: "")
        default: state = .alive
        }
        layout.startCode = stat.startCode
        layout.endCode = stat.endCode
        layout.startData = stat.startData
        layout.endData = stat.endData
        layout.startStack = stat.startStack
        layout.startBrk = stat.startBrk
        layout.argStart = stat.argStart
        layout.argEnd = stat.argEnd
        layout.envStart = stat.envStart
        layout.envEnd = stat.envEnd
    }

    package var isZombie: Bool {
        if case .zombie = state { true } else { false }
    }
    /// PF_KTHREAD
    package var isKernelThread: Bool { flags & 0x0020_0000 != 0 }
}

/// One thread of a process that lives.
package struct ThreadFacts: Equatable, Sendable {
    package var tid: TID
    /// R S D T t Z X I
    package var state: UInt8
    package var comm: String
    /// The same byte by byte, where it is no UTF-8.
    package var commBytes: [UInt8]?
    /// PF_*
    package var flags: UInt32
    /// -20...19
    package var nice: Int32
    /// SCHED_*, with SCHED_RESET_ON_FORK
    package var schedulingPolicy: UInt32
    package var realtimePriority: UInt32
    /// Nanoseconds that it runs in one go; 0 where the policy or the kernel knows none.
    package var slice: UInt64 = 0
    /// Nil for another policy than SCHED_DEADLINE.
    package var deadline: DeadlineImage?
    /// As ioprio_get(2) has it: class<<13|level; nil where the kernel refused.
    package var ioPriority: UInt32?
    /// Whether it may share a core only with its like (PR_SCHED_CORE of prctl(2)).
    package var hasCoreCookie = false
    /// Whether the frequency for it is bounded (SCHED_FLAG_UTIL_CLAMP of sched_setattr(2)).
    package var clampsUtilisation = false
    /// CPUs that it may run on, 64-bit words; empty where the kernel refused.
    package var affinity: [UInt64] = []
    /// Ids, capabilities, signals and seccomp of this thread.
    package var status = TaskStatus()
    /// Nil where the same as the process's.
    package var cgroups: [CgroupRow]?
    /// Nil where the same as the process's.
    package var namespaces: Namespaces?
    package var sharesFilesWithLeader = true
    package var sharesFileSystemWithLeader = true
    /// Where it sleeps in the kernel if no signal can end that.
    package var uninterruptibleIn: String?
    package var startTime: UInt64 = 0

    package init(stat: TaskStat) {
        tid = TID(stat.id)
        state = stat.state
        comm = stat.comm
        commBytes = stat.commBytes
        flags = stat.flags
        nice = stat.nice
        schedulingPolicy = stat.schedulingPolicy
        realtimePriority = stat.realtimePriority
        startTime = stat.startTime
    }

    /// PF_MEMALLOC_NOIO and PF_LOCAL_THROTTLE, which prctl(2) PR_SET_IO_FLUSHER sets together.
    package var isFlusher: Bool { flags & 0x18_0000 == 0x18_0000 }
    /// PF_MCE_PROCESS: prctl(2) PR_MCE_KILL was called.
    package var hasMachineCheckPolicy: Bool { flags & 0x80 != 0 }
    /// PF_MCE_EARLY: the policy is to be killed at once.
    package var isKilledEarly: Bool { flags & 0x0800_0000 != 0 }
    /// PF_IO_WORKER or PF_USER_WORKER: a thread of io_uring or vhost that never runs user code.
    package var isKernelWorker: Bool { flags & 0x4010 != 0 }
}

extension DeviceNumber {
    /// From new_encode_dev, as stat(5) files and statx have it: minor bits 0-7 and 20-31, major bits 8-19.
    init(encoded value: UInt32) {
        self.init((value >> 8) & 0xfff, (value & 0xff) | ((value >> 12) & 0xfff00))
    }
}
