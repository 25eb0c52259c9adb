import PolicyModel

/// The scan rules of user namespaces: that of the root travels with the tree where it was made in ours, owns the tree's other
/// namespaces, and has a number for every id of the tree's.
enum UserNamespaceRules {
    /// Of a task whose own namespace is the root's.
    static func findings(
        _ task: TaskFacts, _ snapshot: Snapshot, _ allow: Allowances
    ) -> [Finding] {
        guard let root = snapshot.task(snapshot.root) else { return [] }
        let object = FindingObject(pid: task.pid)
        var found: [Finding] = []
        if task.pid == root.pid {
            for (kind, owner) in snapshot.foreignOwners.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
                // A namespace that is given to a restore has its owner already.
                if snapshot.label(of: kind, allow) != nil { continue }
                found.append(
                    Finding(
                        .userNamespace, object,
                        "\(kind.name) namespace \(root.namespaces[keyPath: kind.place]), which user namespace \(owner) owns and not that of the task, \(root.namespaces.user)"
                    ))
            }
        }
        guard let facts = snapshot.userNamespace, task.namespaces.user == root.namespaces.user else {
            return found
        }
        let name = "user namespace \(root.namespaces.user)"
        if task.pid == root.pid {
            if let label = snapshot.label(of: .pid, allow) {
                found.append(
                    Finding(
                        .userNamespace, object,
                        name + " in a pid namespace that a restore would be given as \(label)"))
            }
            if facts.isNested {
                found.append(
                    Finding(.userNamespace, object, name + ", which was made in another one than ours"))
            } else if facts.users.extents.isEmpty || facts.groups.extents.isEmpty {
                found.append(
                    Finding(.userNamespace, object, name + ", in which no user or no group is mapped"))
            } else {
                found.append(
                    Finding(
                        .userNamespace, object,
                        "\(name): users \(facts.users), groups \(facts.groups)"
                            + (facts.deniesGroups ? ", setgroups(2) denied" : ""),
                        severity: .info))
            }
        }
        return found + unmapped(task, facts, snapshot)
    }

    /// Ids that a restored task could not be given, for there is no number for them inside.
    private static func unmapped(
        _ task: TaskFacts, _ facts: UserNamespaceFacts, _ snapshot: Snapshot
    ) -> [Finding] {
        if task.isZombie { return [] }
        var found: [Finding] = []
        let kept = keptGroups(of: snapshot)
        for thread in task.threads {
            let status = thread.status
            let object = FindingObject(pid: task.pid, tid: thread.tid)
            for (what, ids, map) in [
                ("user", status.users, facts.users), ("group", status.groups, facts.groups),
            ] {
                let all = [ids.real, ids.effective, ids.saved, ids.fileSystem]
                guard let id = all.first(where: { map.inside($0) == nil }) else { continue }
                found.append(
                    Finding(.userNamespace, object, "\(what) \(id), which its user namespace does not have"))
            }
            if facts.mustKeep(status.supplementaryGroups), status.supplementaryGroups != kept {
                found.append(
                    Finding(
                        .userNamespace, object,
                        "supplementary groups \(status.supplementaryGroups), which cannot be set in its user namespace, and others of the tree have other ones"
                    ))
            }
        }
        return found
    }

    /// Supplementary groups that the whole tree must inherit; nil where each task can set its own.
    static func keptGroups(of snapshot: Snapshot) -> [UInt32]? {
        guard let facts = snapshot.userNamespace else { return nil }
        let live = snapshot.tasks.filter { !$0.isZombie }
        return live.lazy.flatMap(\.threads).map(\.status.supplementaryGroups).first { facts.mustKeep($0) }
    }
}
