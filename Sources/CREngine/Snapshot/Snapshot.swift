/// What /proc, kcmp(2) and sock_diag(7) said about one process tree, once.
///
/// A value: scan and plan work on it and never look at /proc again. Of a running tree it is advice, because tasks
/// and descriptors may come and go during the look; of a frozen tree it is the truth.
package struct Snapshot: Equatable, Sendable {
    /// Who asked: the pid of the collecting process.
    package var collector: PID
    package var root: PID
    /// Whether every task was held while it was looked at.
    package var isFrozen: Bool
    /// Parents before children, siblings by pid, the root first.
    package var tasks: [TaskFacts] = []
    /// Open file descriptions by `OpenFileID`, in the order in which tasks and descriptors name them.
    package var openFiles: [OpenFile] = []
    /// Files behind mappings by `MappedFileID`.
    package var mappedFiles: [MappedFile] = []
    /// Sockets of the tree by inode.
    package var sockets: [UInt64: SocketFacts] = [:]
    /// What inotify and fanotify instances of the tree watch.
    package var watches: [OpenFileID: WatchFacts] = [:]
    /// Locks and leases that the tree holds, each once.
    package var locks: [HeldLock] = []
    /// Members of the tree's epoll sets.
    package var epollTargets: [OpenFileID: [EpollTarget]] = [:]
    /// Tasks the mappings of which we have registered with a userfaultfd, to know what they write.
    package var watchedTasks: Set<PID> = []
    /// Objects of System V IPC that the tree uses.
    package var systemV = SystemVFacts()
    /// Holders outside the tree of its pipes, of its sockets and their far ends, and of its memory files and
    /// shared anonymous memory (mapped: with descriptor -1), by inode.
    package var outsideHolders: [UInt64: [OutsideHolder]] = [:]
    /// What a security module says of the collector.
    package var ownSecurityLabel: String?
    /// Seccomp mode of the collector: one that has any cannot read filters of others.
    package var ownSeccompMode: UInt32 = 0
    /// Namespaces of the collector.
    package var ownNamespaces = Namespaces()
    /// What is mounted in the root's mount namespace, where that is not ours.
    package var mounts: MountNamespaceFacts?
    /// What is in a network namespace of the tree's own; nil where it has none, or could not be looked at.
    package var network: NetworkFacts?
    /// A user namespace of the root's own; nil where it is in ours, or nobody may look.
    package var userNamespace: UserNamespaceFacts?
    /// The user namespaces that own namespaces of the root, by kind, where that is not the root's own.
    package var foreignOwners: [NamespaceKind: UInt64] = [:]
    /// Namespaces of uts and ipc that tasks are in and the root is not, by inode.
    package var nestedNamespaces: [UInt64: NestedNamespace] = [:]
    /// The device of the kernel's own tmpfs, where memfds and shared anonymous memory live.
    package var sharedMemoryDevice: DeviceNumber?
    /// Process groups and sessions that tasks are in and whose leader is no task of the tree, with what is known of
    /// that leader.
    package var outsideLeaders: [PID: OutsideProcess] = [:]
    /// Control groups of the root's parent; empty where they cannot be read.
    package var parentCgroups: [CgroupRow] = []
    /// Groups of the root as its own cgroup namespace has them; nil where it is in ours, or nobody may look.
    package var rootCgroupsInside: [CgroupRow]?
    /// The init of a pid namespace that a restore made for the tree, where the root is a child of it; nil for no such one.
    package var madeInit: PID?
    /// What happened during the look.
    package var events: [CollectionEvent] = []

    package init(collector: PID, root: PID, isFrozen: Bool) {
        self.collector = collector
        self.root = root
        self.isFrozen = isFrozen
    }

    /// The task of this pid; nil where the tree has none.
    package func task(_ pid: PID) -> TaskFacts? { tasks.first { $0.pid == pid } }

    /// The directory from which paths of the tree lead, as a prefix; empty where that is our own root.
    package var view: String { mounts == nil ? "" : "/proc/\(root)/root" }

    /// An open file by its number in this snapshot.
    package subscript(id: OpenFileID) -> OpenFile { openFiles[id.rawValue] }

    /// A mapped file by its number in this snapshot.
    package subscript(id: MappedFileID) -> MappedFile { mappedFiles[id.rawValue] }

    /// Threads of all tasks.
    package var threadCount: Int { tasks.reduce(0) { $0 + $1.threads.count } }

    /// Bytes of all tasks; what tasks share is counted for each.
    package var residentBytes: UInt64 { tasks.reduce(0) { $0 + $1.residentBytes } }
}

/// Something that happened while a running tree was looked at. No error: the snapshot holds what was still there.
package enum CollectionEvent: Equatable, Sendable {
    case processVanished(PID)
    case threadVanished(PID, TID)
    case descriptorClosed(PID, Int32)
    /// The kernel refused one fact about a task; the fact is missing in the snapshot.
    case unreadable(PID, what: String, Errno)
}

/// A process that is no task of the tree.
package struct OutsideProcess: Equatable, Sendable {
    package var pid: PID
    /// Empty where the process is gone.
    package var comm: String
    package var isAlive: Bool
    /// Where it is the gone leader of a group or session: a process outside the tree that is still in that.
    package var survivor: PID?
    /// Its controlling terminal; nil for none.
    package var terminal: DeviceNumber?
    package init(pid: PID, comm: String, isAlive: Bool, terminal: DeviceNumber? = nil) {
        self.pid = pid
        self.comm = comm
        self.isAlive = isAlive
        self.terminal = terminal
    }

    /// What goes behind the name of what it leads.
    var description: String {
        if isAlive { return " of \(comm)[\(pid)]" }
        return survivor.map { ", in which \($0) outside the tree is too" } ?? ""
    }
}

/// One descriptor of a process outside the tree.
package struct OutsideHolder: Equatable, Sendable {
    package var pid: PID
    package var comm: String
    package var fd: Int32
    package var canRead: Bool
    package var canWrite: Bool
    package init(pid: PID, comm: String, fd: Int32, canRead: Bool, canWrite: Bool) {
        self.pid = pid
        self.comm = comm
        self.fd = fd
        self.canRead = canRead
        self.canWrite = canWrite
    }
}

/// Inode numbers of the namespaces of one task; 0 where the kernel has no such kind. See namespaces(7).
package struct Namespaces: Hashable, Sendable {
    package var cgroup: UInt64 = 0
    package var ipc: UInt64 = 0
    package var mount: UInt64 = 0
    package var net: UInt64 = 0
    package var pid: UInt64 = 0
    package var pidForChildren: UInt64 = 0
    package var time: UInt64 = 0
    package var timeForChildren: UInt64 = 0
    package var user: UInt64 = 0
    package var uts: UInt64 = 0
    package init() {}

    /// Name below /proc/PID/ns and number, in a fixed order.
    package static let kinds: [(name: String, place: any WritableKeyPath<Namespaces, UInt64> & Sendable)] = [
        ("cgroup", \.cgroup), ("ipc", \.ipc), ("mnt", \.mount), ("net", \.net), ("pid", \.pid),
        ("pid_for_children", \.pidForChildren), ("time", \.time), ("time_for_children", \.timeForChildren),
        ("user", \.user), ("uts", \.uts),
    ]
}
