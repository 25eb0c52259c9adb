/// Ids of users and groups, where a tree has a user namespace of its own.
///
/// All that we read of a tree, and all that we set from outside, has ids as we see them. Images have them as the tree's
/// namespace does, as CRIU writes them. See user_namespaces(7).
struct NamespaceIDs {
    private let user: @Sendable (UInt32) -> UInt32
    private let group: @Sendable (UInt32) -> UInt32

    /// From ids that we see to those of the image: nobody is -1, as CRIU has it.
    static func inwards(_ facts: UserNamespaceFacts) -> NamespaceIDs {
        NamespaceIDs(
            user: { facts.users.inside($0) ?? IDMap.none }, group: { facts.groups.inside($0) ?? IDMap.none })
    }

    /// From those of an image to what we set: -1 and what is not mapped are left as they come.
    private static func outwards(_ image: UserNamespaceImage) -> NamespaceIDs {
        NamespaceIDs(
            user: { image.users.outside($0) ?? IDMap.none }, group: { image.groups.outside($0) ?? IDMap.none }
        )
    }

    /// A finished image, with the ids of the tree's own namespace.
    func renumbered(_ tree: TreeImage, _ facts: UserNamespaceFacts) -> TreeImage {
        var tree = tree
        for task in tree.tasks.indices {
            for thread in tree.tasks[task].threads.indices {
                renumber(&tree.tasks[task].threads[thread].credentials, facts)
            }
        }
        for place in tree.files.indices { renumber(&tree.files[place].content) }
        for place in tree.mountOptions.indices {
            tree.mountOptions[place] = renumbered(options: tree.mountOptions[place])
        }
        renumberObjects(of: &tree)
        return tree
    }

    /// The image as it is made again: what the tasks do themselves has ids of their namespace, what we do for them has ours.
    static func forRestore(_ tree: TreeImage) -> TreeImage {
        guard let image = tree.namespaces.user else { return tree }
        var tree = tree
        let ids = outwards(image)
        for place in tree.files.indices {
            guard case .unixSocket(var socket) = tree.files[place].content else { continue }
            ids.renumber(&socket.permissions)
            tree.files[place].content = .unixSocket(socket)
        }
        ids.renumberObjects(of: &tree)
        return tree
    }

    /// What has a name, a number or an end outside of all tasks.
    private func renumberObjects(of tree: inout TreeImage) {
        for place in tree.ghosts.indices { tree.ghosts[place] = renumbered(tree.ghosts[place]) }
        for place in tree.memfds.indices {
            tree.memfds[place].uid = user(tree.memfds[place].uid)
            tree.memfds[place].gid = group(tree.memfds[place].gid)
        }
        for place in tree.terminals.indices {
            tree.terminals[place].uid = tree.terminals[place].uid.map(user)
            tree.terminals[place].gid = tree.terminals[place].gid.map(group)
        }
        for place in tree.socketPackets.indices { renumber(&tree.socketPackets[place].credentials) }
        for place in tree.systemV.segments.indices { renumber(&tree.systemV.segments[place].object) }
        for place in tree.systemV.semaphores.indices { renumber(&tree.systemV.semaphores[place].object) }
        for place in tree.systemV.queues.indices { renumber(&tree.systemV.queues[place].object) }
        for place in tree.posixQueues.indices {
            tree.posixQueues[place].uid = user(tree.posixQueues[place].uid)
            tree.posixQueues[place].gid = group(tree.posixQueues[place].gid)
        }
    }

    func renumbered(_ ghost: GhostImage) -> GhostImage {
        var ghost = ghost
        ghost.uid = user(ghost.uid)
        ghost.gid = group(ghost.gid)
        return ghost
    }

    private func renumber(_ credentials: inout CredentialsImage, _ facts: UserNamespaceFacts) {
        credentials.uid = user(credentials.uid)
        credentials.euid = user(credentials.euid)
        credentials.suid = user(credentials.suid)
        credentials.fsuid = user(credentials.fsuid)
        credentials.gid = group(credentials.gid)
        credentials.egid = group(credentials.egid)
        credentials.sgid = group(credentials.sgid)
        credentials.fsgid = group(credentials.fsgid)
        // As getgroups(2) tells them to the task itself.
        credentials.groups = credentials.groups.map { facts.groups.inside($0) ?? IDMap.overflow }
    }

    private func renumber(_ content: inout FileImage.Content) {
        if var owner = content.ownership?.owner, owner.pid != 0 {
            owner.uid = user(owner.uid)
            owner.euid = user(owner.euid)
            content.setOwner(owner)
        }
        if case .unixSocket(var socket) = content {
            renumber(&socket.permissions)
            renumber(&socket.peerCredentials)
            content = .unixSocket(socket)
        }
    }

    private func renumber(_ permissions: inout UnixSocketImage.Permissions?) {
        guard let old = permissions else { return }
        permissions = .init(mode: old.mode, uid: user(old.uid), gid: group(old.gid))
    }

    private func renumber(_ credentials: inout SocketCredentialsImage?) {
        guard let old = credentials else { return }
        credentials = SocketCredentialsImage(pid: old.pid, uid: user(old.uid), gid: group(old.gid))
    }

    private func renumber(_ object: inout SystemVObjectImage) {
        object.uid = user(object.uid)
        object.gid = group(object.gid)
        object.cuid = user(object.cuid)
        object.cgid = group(object.cgid)
    }

    /// mountinfo has `uid=` and `gid=` as the first user namespace of the host sees them.
    private func renumbered(options: String) -> String {
        options.split(separator: ",", omittingEmptySubsequences: false).map { option in
            for (key, map) in [("uid=", user), ("gid=", group)] where option.hasPrefix(key) {
                guard let id = UInt32(option.dropFirst(key.count)) else { continue }
                return key + String(map(id))
            }
            return String(option)
        }.joined(separator: ",")
    }
}

extension TreeImage {
    /// Options of the mounts of a mount namespace of the tree's own.
    fileprivate var mountOptions: [String] {
        get { namespaces.mounts?.mounts.map(\.options) ?? [] }
        set {
            for place in newValue.indices { namespaces.mounts?.mounts[place].options = newValue[place] }
        }
    }
}

extension UserNamespaceImage {
    init(_ facts: UserNamespaceFacts, keptGroups: [UInt32]?) {
        self.init(users: facts.users, groups: facts.groups)
        deniesGroups = facts.deniesGroups
        self.keptGroups = keptGroups
    }
}
