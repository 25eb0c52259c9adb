import CPlatform
import PolicyModel

extension CgroupBuilder {
    /// Gives the root of a tree its own cgroup namespace, before it has children, and leaves it in our groups.
    ///
    /// The groups that a task is in when it asks become the roots of its namespace for good; nothing else sets them. See
    /// cgroup_namespaces(7).
    func enterNamespace(_ root: StubThread, _ image: ThreadImage) throws(RestoreError) {
        let members = (image.cgroupSet.flatMap { sets[$0] })?.members.filter { $0.namespaceRoot != nil } ?? []
        // Where groups are not looked at, the root of the namespace is where the tree is.
        let away = members.filter { !isOwn($0.namespaceRoot ?? "/", $0.hierarchy) }
        for member in away {
            try move(root, to: member.namespaceRoot ?? "/", member.hierarchy)
        }
        try root.call("unshare", CP_SYS_unshare, Int(NamespaceKind.cgroup.cloneFlag))
        for member in away {
            if let path = ownPath(member.hierarchy) { try move(root, to: path, member.hierarchy) }
        }
    }

    /// What a namespace's roots lack: they must be sound, and in hierarchies that are mounted.
    func namespaceProblems(_ tree: TreeImage) -> [RestoreError] {
        guard mode != .ignore, tree.ownNamespaceKinds.contains(.cgroup),
            let id = tree.tasks.first?.threads.first?.cgroupSet, let set = sets[id]
        else { return [] }
        if set.members.allSatisfy({ $0.namespacePrefix == nil }) {
            return [
                RestoreError("cgroup set \(id)", "does not tell the roots of the tree's cgroup namespace")
            ]
        }
        return set.members.filter { $0.namespacePrefix != nil }.compactMap { member in
            guard let root = member.namespaceRoot, (try? CgroupGroup.checked(root)) != nil else {
                return RestoreError(
                    "cgroup \(member.hierarchy):\(member.path)", "has no group as the root of its namespace")
            }
            if isOwn(root, member.hierarchy)
                || mounts.directory(hierarchy: member.hierarchy, path: root) != nil
            {
                return nil
            }
            return RestoreError("cgroup hierarchy \(member.hierarchy)", "is not mounted here")
        }
    }

    private func move(_ thread: StubThread, to path: String, _ hierarchy: String) throws(RestoreError) {
        guard let directory = mounts.directory(hierarchy: hierarchy, path: path) else {
            throw RestoreError("cgroup hierarchy \(hierarchy)", "is not mounted here")
        }
        let file = directory + "/cgroup.procs"
        try RestoreError.about(
            "task \(thread.tid)", "cannot be put into \(file) to make its cgroup namespace"
        ) {
            () throws(Errno) -> Void in try ProcText.write(file, "\(thread.tid)")
        }
    }

    private func isOwn(_ path: String, _ hierarchy: String) -> Bool { own.contains("\(hierarchy):\(path)") }

    /// Our own group in a hierarchy.
    private func ownPath(_ hierarchy: String) -> String? {
        own.first { $0.hasPrefix(hierarchy + ":/") }.map { String($0.dropFirst(hierarchy.count + 1)) }
    }
}
