/// All that a checkpoint says of one process tree, apart from page contents and raw payloads, as plain values.
///
/// The dump builds it, `ImageSet` turns it into CRIU's files and back, the restore walks it. Ids, flags and orders
/// are those of CRIU's images (format level 4.2), so nothing is lost on the way through.
package struct TreeImage: Equatable, Sendable {
    package var inventory: InventoryImage
    /// Parents before children, the root first.
    package var tasks: [TaskImage]
    /// Open file descriptions and the files behind mappings, exe links and directories, each with its own id.
    package var files: [FileImage]
    package var remaps: [RemapImage] = []
    package var ghosts: [GhostImage] = []
    package var pipeData: [PipeDataImage] = []
    /// The same for named pipes (`fifo-data.img`).
    package var fifoData: [PipeDataImage] = []
    /// Receive queues of unix sockets, each in its order (`sk-queues.img`).
    package var socketPackets: [SocketPacketImage] = []
    package var memfds: [MemfdInodeImage] = []
    package var fileLocks: [FileLockImage] = []
    /// What a restore puts in the place of open files that lead out of the tree, by file id (`crplan.json`).
    package var streams: [UInt32: StreamEnding] = [:]
    /// Sides of terminals (`tty-info.img`, `tty-data.img`).
    package var terminals: [TerminalImage] = []
    /// Memory of shmem inodes by shmid (`pagemap-shmem-SHMID.img`).
    package var sharedMemory: [SharedMemoryImage] = []
    /// Connections by the inode of their socket (`tcp-stream-INODE.img`).
    package var tcpStreams: [UInt32: TCPStreamImage] = [:]
    /// What sockets have beyond CRIU's fields, by file id.
    package var socketExtras: [UInt32: SocketExtras] = [:]
    /// Objects of System V IPC (`ipcns-shm-NS.img`, `ipcns-sem-NS.img`, `ipcns-msg-NS.img`).
    package var systemV = SystemVImage()
    /// POSIX message queues (`ipcns-mqueue-NS.img`).
    package var posixQueues: [PosixQueueImage] = []
    package var cgroups: CgroupImage?
    /// `seccomp.img`; a thread's filters are chained by `SeccompFilterImage.next`.
    package var seccompFilters: [SeccompFilterImage] = []
    /// The root's session where its leader has ended and only the tree is left in it (`crplan.json`).
    package var deadSession: PID?
    /// What is in the tree's own namespaces.
    package var namespaces = NamespacesImage()
    /// Clock readings at the dump, for the time namespace of the restored tree (`timens-NS.img`).
    package var clocks: ClockImage?

    package init(inventory: InventoryImage, tasks: [TaskImage], files: [FileImage]) {
        self.inventory = inventory
        self.tasks = tasks
        self.files = files
    }
}

extension TreeImage {
    /// Number of the root's time namespace; 0 where that is the host's, as CRIU then calls its file.
    var timeNamespace: UInt32 {
        let own = tasks.first?.ids?.timeNS
        return own == inventory.rootIDs.timeNS ? 0 : own ?? 0
    }

    /// The number of the root's ipc namespace in `ids-PID.img`.
    var ipcNamespace: UInt32 {
        tasks.lazy.compactMap(\.ids?.ipcNS).first ?? inventory.rootIDs.ipcNS ?? 0
    }
}

/// `inventory.img`.
package struct InventoryImage: Equatable, Sendable {
    /// Ids of the dumping process itself; a tree in the same namespaces has the same namespace ids.
    package var rootIDs: KernelObjectIDs
    /// Set of the dumping process; nil when cgroups were left out.
    package var rootCgroupSet: UInt32? = 1
    package var lsmType: UInt32 = 0
    package var networkLockMethod: UInt32 = 0
    package var tcpClose: Bool?
    /// The dump left out memory of user-space probes; a restore must be told that this is accepted.
    package var allowUprobes: Bool?
    /// CRIU plugins that took part in the dump, without which the set cannot be restored.
    package var plugins: [String] = []
    /// UUID text.
    package var runID: String
    package init(rootIDs: KernelObjectIDs, runID: String) {
        self.rootIDs = rootIDs
        self.runID = runID
    }
}

/// `ids-PID.img`: which kernel objects tasks share.
package struct KernelObjectIDs: Equatable, Sendable {
    package var vm: UInt32 = 1
    package var files: UInt32 = 1
    package var fs: UInt32 = 1
    package var sighand: UInt32 = 1
    package var pidNS: UInt32? = 1
    package var netNS: UInt32? = 2
    package var ipcNS: UInt32? = 3
    package var utsNS: UInt32? = 4
    package var timeNS: UInt32? = 5
    package var mntNS: UInt32? = 6
    package var userNS: UInt32? = 7
    package var cgroupNS: UInt32? = 8
    package init() {}
}

/// One task of the tree: `pstree.img`, `core-*.img`, `ids-`, `mm-`, `fs-` and `fdinfo-` of it.
package struct TaskImage: Equatable, Sendable {
    package enum State: Equatable, Sendable {
        case alive
        /// A zombie with its wait-status word (exit 7 is 0x700).
        case dead(status: UInt32)
        /// Stopped by job control with this signal.
        case stopped(signal: UInt32)
    }
    package var pid: PID
    /// 0 for the root.
    package var parent: PID
    package var pgid: PID
    package var sid: PID
    package var state: State
    /// The leader first; of a zombie only the leader, with its `comm` alone.
    package var threads: [ThreadImage]
    /// Nil for a zombie, as are the three below.
    package var process: ProcessImage?
    package var ids: KernelObjectIDs?
    package var memory: MemoryImage?
    package var fs: FilesystemImage?
    /// Descriptors of the table `ids.files`.
    package var descriptors: [DescriptorImage] = []
    package init(pid: PID, parent: PID, pgid: PID, sid: PID, state: State, threads: [ThreadImage]) {
        self.pid = pid
        self.parent = parent
        self.pgid = pgid
        self.sid = sid
        self.state = state
        self.threads = threads
    }
}

/// What a whole process has in its core image (`task_core_entry`).
package struct ProcessImage: Equatable, Sendable {
    /// The hexadecimal text of /proc/PID/personality read as decimal digits, as CRIU stores it.
    package var personality: UInt32 = 0
    /// PF_* word of /proc/PID/stat; informational.
    package var flags: UInt32 = 0
    package var realTimer = IntervalTimerImage()
    package var virtualTimer = IntervalTimerImage()
    package var profilingTimer = IntervalTimerImage()
    package var posixTimers: [PosixTimerImage] = []
    /// By RLIMIT_* number, 16 of them; infinity is all ones.
    package var limits: [LimitImage] = []
    /// 62 dispositions: signals 1...64 without SIGKILL and SIGSTOP, in order.
    package var signalActions: [SignalActionImage] = []
    /// Raw siginfo_t of 128 bytes each, process-wide queue.
    package var pendingSignals: [[UInt8]] = []
    package var loginuid: UInt32? = .max
    package var oomScoreAdjust: Int32? = 0
    package var childSubreaper: Bool?
    package var membarrierRegistrations: UInt32?
    // CRIU has no fields for these; they are in our own `crplan.json`.
    /// /proc/PID/coredump_filter
    package var coredumpFilter: UInt32?
    /// PR_SET_MDWE of prctl(2); nil for none.
    package var deniesWriteExecute: UInt32?
    /// PR_SET_MEMORY_MERGE of prctl(2); nil for no.
    package var mergesMemory: Bool?
    /// MCL_* of mlockall(2) for areas to come; nil for none.
    package var futureLocks: UInt32?
    /// What tells the parent of its end; nil for SIGCHLD.
    package var exitSignal: Int32?
    package init() {}
}

package struct LimitImage: Equatable, Sendable {
    package var soft: UInt64
    package var hard: UInt64
    package init(soft: UInt64, hard: UInt64) {
        self.soft = soft
        self.hard = hard
    }
}

/// setitimer(2) state, in microseconds; all zero is disarmed.
package struct IntervalTimerImage: Equatable, Sendable {
    package var intervalSeconds: UInt64 = 0
    package var intervalMicroseconds: UInt64 = 0
    package var valueSeconds: UInt64 = 0
    package var valueMicroseconds: UInt64 = 0
    package init() {}
}

/// A timer of timer_create(2); value and interval in seconds and nanoseconds.
package struct PosixTimerImage: Equatable, Sendable {
    package var id: UInt32 = 0
    package var clock: UInt32 = 0
    package var signal: UInt32 = 0
    package var notify: UInt32 = 0
    package var sigval: UInt64 = 0
    package var overrun: UInt32 = 0
    package var intervalSeconds: UInt64 = 0
    package var intervalNanoseconds: UInt64 = 0
    package var valueSeconds: UInt64 = 0
    package var valueNanoseconds: UInt64 = 0
    package var notifyThread: Int32?
    package init() {}
}

/// One signal's disposition as the kernel's rt_sigaction has it: handler 0 is the default, 1 is ignore.
package struct SignalActionImage: Equatable, Sendable {
    package var handler: UInt64 = 0
    package var flags: UInt64 = 0
    package var restorer: UInt64 = 0
    package var mask: UInt64 = 0
    package init() {}
}

/// `fs-PID.img`.
package struct FilesystemImage: Equatable, Sendable {
    package var cwdFile: UInt32
    package var rootFile: UInt32
    package var umask: UInt32?
    package init(cwdFile: UInt32, rootFile: UInt32, umask: UInt32?) {
        self.cwdFile = cwdFile
        self.rootFile = rootFile
        self.umask = umask
    }
}

/// One row of `fdinfo-ID.img`.
package struct DescriptorImage: Equatable, Sendable {
    package var fd: Int32
    /// Id of the `FileImage`.
    package var file: UInt32
    /// FD_CLOEXEC is 1.
    package var flags: UInt32
    package init(fd: Int32, file: UInt32, flags: UInt32) {
        self.fd = fd
        self.file = file
        self.flags = flags
    }
}

/// `cgroup.img`: the sets of memberships, and the directories to make again. Nil members mean nothing to do.
package struct CgroupImage: Equatable, Sendable {
    package struct Member: Equatable, Sendable {
        /// Second field of /proc/PID/cgroup: controllers, `name=x`, or empty for the unified hierarchy.
        package var hierarchy: String
        package var path: String
        /// Bytes of `path` that are the root of the task's cgroup namespace.
        package var namespacePrefix: UInt32?
        package init(hierarchy: String, path: String) {
            self.hierarchy = hierarchy
            self.path = path
        }
    }
    package struct MembershipSet: Equatable, Sendable {
        package var id: UInt32
        /// Sorted by hierarchy.
        package var members: [Member]
        package init(id: UInt32, members: [Member]) {
            self.id = id
            self.members = members
        }
    }
    /// Owner and mode of a directory or control file.
    package struct Permissions: Equatable, Sendable {
        package var mode: UInt32
        package var uid: UInt32
        package var gid: UInt32
        package init(mode: UInt32, uid: UInt32, gid: UInt32) {
            self.mode = mode
            self.uid = uid
            self.gid = gid
        }
    }
    /// One control file and its content.
    package struct Property: Equatable, Sendable {
        package var name: String
        package var value: String
        package var permissions: Permissions?
        package init(name: String, value: String, permissions: Permissions?) {
            self.name = name
            self.value = value
            self.permissions = permissions
        }
    }
    package struct Directory: Equatable, Sendable {
        /// Without a leading slash; of a child, relative to its parent.
        package var name: String
        package var children: [Directory] = []
        package var properties: [Property] = []
        package var permissions: Permissions?
        package init(name: String) { self.name = name }
    }
    /// One hierarchy and the directories to make in it.
    package struct Controller: Equatable, Sendable {
        /// Of the unified hierarchy, one empty string.
        package var names: [String]
        package var directories: [Directory]
        package var isThreaded: Bool?
        package init(names: [String], directories: [Directory]) {
            self.names = names
            self.directories = directories
        }
    }
    package var sets: [MembershipSet]
    package var controllers: [Controller] = []
    package init(sets: [MembershipSet]) { self.sets = sets }
}

/// Clock readings in seconds and nanoseconds, as the tree itself saw them.
package struct ClockImage: Equatable, Sendable {
    package var monotonicSeconds: UInt64 = 0
    package var monotonicNanoseconds: UInt64 = 0
    package var boottimeSeconds: UInt64 = 0
    package var boottimeNanoseconds: UInt64 = 0
    package init() {}
}

/// One program of `seccomp.img`.
package struct SeccompFilterImage: Equatable, Sendable {
    /// Array of `struct sock_filter`, 8 bytes each.
    package var program: [UInt8]
    /// Index of the filter that the same thread installed next; nil for its newest.
    package var next: UInt32?
    /// SECCOMP_FILTER_FLAG_*
    package var flags: UInt32?
    package init(program: [UInt8], next: UInt32?, flags: UInt32?) {
        self.program = program
        self.next = next
        self.flags = flags
    }
}
