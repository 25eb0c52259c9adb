/// What is in the namespaces of a tree that has some of its own, each nil where the tree shares that of the dumping
/// process.
package struct NamespacesImage: Equatable, Sendable {
    package var hostNames: HostNamesImage?
    package var ipc: IPCSettingsImage?
    package var mounts: MountNamespaceImage?
    package var network: NetworkNamespaceImage?
    /// `pidns-NS.img`: the name by which a restore is given a pid namespace that others made.
    package var pidLabel: String?
    package var user: UserNamespaceImage?
    /// What is in namespaces that tasks are in and the root is not, by their numbers in `ids-PID.img`.
    package var nestedHostNames: [UInt32: HostNamesImage] = [:]
    package var nestedIPC: [UInt32: IPCSettingsImage] = [:]
    /// Those of `--join-ns` that a restore goes by as if they were the tree's own; in no image.
    package var joined: Set<NamespaceKind> = []
    package init() {}

    /// Whether a namespace that the root is not in can be made again.
    func hasNested(_ kind: NamespaceKind, _ number: UInt32) -> Bool {
        switch kind {
        case .uts: nestedHostNames[number] != nil
        case .ipc: nestedIPC[number] != nil
        default: false
        }
    }
}

/// `utsns-NS.img`; see uts_namespaces(7).
package struct HostNamesImage: Equatable, Sendable {
    package var host: String
    package var domain: String
    package init(host: String, domain: String) {
        self.host = host
        self.domain = domain
    }
}

/// `ipcns-var-NS.img`: limits of System V IPC and POSIX message queues; see ipc_namespaces(7).
package struct IPCSettingsImage: Equatable, Sendable {
    /// The files below /proc/sys that hold one number each.
    package enum Variable: String, CaseIterable, Sendable {
        case messageLargest = "kernel/msgmax"
        case messageQueueBytes = "kernel/msgmnb"
        case messageQueues = "kernel/msgmni"
        case messageQueuesAutomatic = "kernel/auto_msgmni"
        case segmentLargest = "kernel/shmmax"
        case segmentPages = "kernel/shmall"
        case segments = "kernel/shmmni"
        case segmentsGoWithTasks = "kernel/shm_rmid_forced"
        case posixQueues = "fs/mqueue/queues_max"
        case posixMessages = "fs/mqueue/msg_max"
        case posixLargest = "fs/mqueue/msgsize_max"
        case posixMessagesDefault = "fs/mqueue/msg_default"
        case posixSizeDefault = "fs/mqueue/msgsize_default"
    }
    /// The four numbers of kernel/sem.
    package var semaphores: [UInt32] = []
    package var values: [Variable: UInt64] = [:]
    package init() {}
}

extension NamespaceFDImage {
    /// Whether a task is in the namespace.
    func isOf(_ task: TaskImage) -> Bool {
        task.ids.map { $0[keyPath: kind.imagePlace] == namespace } ?? false
    }
}
