/// The kinds of namespaces, in the order in which CRIU numbers its own. See namespaces(7).
package enum NamespaceKind: String, CaseIterable, Sendable {
    case pid
    case net
    case ipc
    case uts
    case time
    case mount = "mnt"
    case user
    case cgroup

    /// What messages call it.
    package var name: String {
        switch self {
        case .net: "network"
        case .mount: "mount"
        default: rawValue
        }
    }

    /// The CLONE_NEW* flag of clone3(2); include/uapi/linux/sched.h.
    var cloneFlag: UInt64 {
        switch self {
        case .time: 0x80
        case .mount: 0x2_0000
        case .cgroup: 0x200_0000
        case .uts: 0x400_0000
        case .ipc: 0x800_0000
        case .user: 0x1000_0000
        case .pid: 0x2000_0000
        case .net: 0x4000_0000
        }
    }

    /// Where a task's facts have its inode.
    var place: any WritableKeyPath<Namespaces, UInt64> & Sendable {
        switch self {
        case .pid: \.pid
        case .net: \.net
        case .ipc: \.ipc
        case .uts: \.uts
        case .time: \.time
        case .mount: \.mount
        case .user: \.user
        case .cgroup: \.cgroup
        }
    }

    /// Where images have its number.
    var imagePlace: any WritableKeyPath<KernelObjectIDs, UInt32?> & Sendable {
        switch self {
        case .pid: \.pidNS
        case .net: \.netNS
        case .ipc: \.ipcNS
        case .uts: \.utsNS
        case .time: \.timeNS
        case .mount: \.mntNS
        case .user: \.userNS
        case .cgroup: \.cgroupNS
        }
    }
}

extension Snapshot {
    /// The kinds of which the root has a namespace that is not ours, and which therefore travel with the tree. A time
    /// namespace is made anew at every restore, and is none of them, nor is a pid namespace that a restore made for want of
    /// free ids; a zombie has none at all.
    package var ownNamespaceKinds: Set<NamespaceKind> {
        guard let root = task(root) else { return [] }
        return Set(
            NamespaceKind.allCases.filter { kind in
                if kind == .pid, madeInit != nil { return false }
                let number = root.namespaces[keyPath: kind.place]
                return kind != .time && number != 0 && number != ownNamespaces[keyPath: kind.place]
            })
    }
}

extension TreeImage {
    /// The kinds of which the tree has namespaces in the image, to be made again.
    package var ownNamespaceKinds: Set<NamespaceKind> {
        guard let ids = tasks.first?.ids else { return [] }
        return Set(
            NamespaceKind.allCases.filter { kind in
                guard kind != .time, let number = ids[keyPath: kind.imagePlace] else { return false }
                return number != inventory.rootIDs[keyPath: kind.imagePlace]
            })
    }
}
