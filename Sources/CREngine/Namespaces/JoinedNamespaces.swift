import CPlatform
import Glibc

/// A tree of this host's mounts or ids that `--join-ns` puts into those of others: paths and ids of its image then mean what
/// they mean there, and what is to be done is what a namespace of the tree's own asks for, but for making it.
enum JoinedNamespaces {
    /// Kinds by which the rest of a restore goes, wherever the namespace comes from.
    private static let kinds: [NamespaceKind] = [.mount, .user]

    /// The tree with those namespaces as if they were its own.
    static func adopted(_ tree: TreeImage, _ options: RestoreOptions) -> TreeImage {
        var tree = tree
        let own = tree.ownNamespaceKinds
        for kind in kinds where options.joined[kind] != nil && !own.contains(kind) {
            tree.namespaces.joined.insert(kind)
            let number = tree.freeNamespaceNumber
            let old = tree.tasks.first?.ids?[keyPath: kind.imagePlace]
            for place in tree.tasks.indices where tree.tasks[place].ids?[keyPath: kind.imagePlace] == old {
                tree.tasks[place].ids?[keyPath: kind.imagePlace] = number
            }
            for place in tree.files.indices {
                guard case .namespaceFD(var image) = tree.files[place].content, image.kind == kind,
                    image.namespace == old
                else {
                    continue
                }
                image.namespace = number
                tree.files[place].content = .namespaceFD(image)
            }
        }
        if tree.namespaces.joined.contains(.user) { tree.namespaces.user = options.joinedUser }
        return tree
    }

    /// What of the tree cannot be in a user namespace that is joined.
    static func problems(_ tree: TreeImage) -> [RestoreError] {
        guard tree.namespaces.joined.contains(.user) else { return [] }
        let own = tree.ownNamespaceKinds.subtracting(tree.namespaces.joined)
        return own.sorted { $0.rawValue < $1.rawValue }.map { kind in
            RestoreError(
                "join-ns",
                "the tree has a \(kind.name) namespace of its own in its image, which the user namespace that it joins would "
                    + "not own",
                remedy: "restore it without --join-ns user, or in a user namespace that it was dumped in")
        }
    }
}

extension UserNamespaceImage {
    /// Of the user namespace behind a descriptor: somebody enters it for a moment, whose maps are looked at. Throws EPERM
    /// where it cannot be entered: it is our own, or not one below it.
    package init(joining descriptor: Int32) throws(Errno) {
        let unchanged = UInt32.max
        let visitor = cp_stand_in_start(unchanged, unchanged, descriptor, -1)
        if visitor < 0 { throw Errno(rawValue: -visitor) }
        let anyChild = 0x4000_0000
        defer {
            _ = cp_syscall(CP_SYS_kill, Int(visitor), Int(SIGKILL), 0, 0, 0, 0)
            _ = cp_syscall(CP_SYS_wait4, Int(visitor), 0, anyChild, 0, 0, 0)
        }
        guard case .success(let facts) = try UserNamespaceFacts.read(of: PID(visitor), ours: 0) else {
            throw .io
        }
        self.init(users: facts.users, groups: facts.groups)
        deniesGroups = facts.deniesGroups
    }

    /// Whether it has these ids.
    package func has(user: UInt32, group: UInt32) -> Bool {
        users.outside(user) != nil && groups.outside(group) != nil
    }
}

extension TreeImage {
    /// A number that no namespace of the set has.
    fileprivate var freeNamespaceNumber: UInt32 {
        let numbers = (tasks.compactMap(\.ids) + [inventory.rootIDs]).flatMap { ids in
            NamespaceKind.allCases.compactMap { ids[keyPath: $0.imagePlace] }
        }
        return (numbers.max() ?? 0) + 1
    }
}
