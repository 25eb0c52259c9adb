/// Numbers for the kernel objects that tasks share, as `ids-PID.img` has them: 1 is the dumping process's own.
struct KernelObjectNumbers {
    private var vm: [PID: UInt32] = [:]
    private var files: [PID: UInt32] = [:]
    private var fs: [PID: UInt32] = [:]
    private var sighand: [PID: UInt32] = [:]

    private let ownNamespaces: Namespaces
    /// Kinds that are to be ours again at a restore.
    private let lost: Set<NamespaceKind>
    private var namespaces: [Namespace: UInt32] = [:]
    /// The first number that no namespace of the dumping process has.
    private var nextNamespace = UInt32(NamespaceKind.allCases.count + 1)

    private struct Namespace: Hashable {
        var kind: NamespaceKind
        var inode: UInt64
    }

    init(_ snapshot: Snapshot) {
        ownNamespaces = snapshot.ownNamespaces
        lost = snapshot.madeInit == nil ? [.time] : [.time, .pid]
    }

    /// The ids of one task. Its time namespace counts as ours, as one is made anew at every restore.
    mutating func ids(of task: TaskFacts) -> KernelObjectIDs {
        var ids = KernelObjectIDs()
        ids.vm = Self.number(task.sharing.memory, &vm)
        ids.files = Self.number(task.sharing.files, &files)
        ids.fs = Self.number(task.sharing.fileSystem, &fs)
        ids.sighand = Self.number(task.sharing.signalHandlers, &sighand)
        for kind in NamespaceKind.allCases {
            ids[keyPath: kind.imagePlace] = namespace(kind, of: task)
        }
        return ids
    }

    /// The number of one of a task's namespaces.
    mutating func namespace(_ kind: NamespaceKind, of task: TaskFacts) -> UInt32? {
        let inode = task.namespaces[keyPath: kind.place]
        if lost.contains(kind) || inode == ownNamespaces[keyPath: kind.place] {
            return KernelObjectIDs()[keyPath: kind.imagePlace]
        }
        let namespace = Namespace(kind: kind, inode: inode)
        if let known = namespaces[namespace] { return known }
        namespaces[namespace] = nextNamespace
        nextNamespace += 1
        return namespaces[namespace]
    }

    private static func number(_ representative: PID, _ known: inout [PID: UInt32]) -> UInt32 {
        if let number = known[representative] { return number }
        let number = UInt32(known.count + 2)
        known[representative] = number
        return number
    }
}
