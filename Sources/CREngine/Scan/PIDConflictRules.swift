import PolicyModel

/// What `restore: {pid-conflict: new-pid-namespace}` means for a tree: what it would get, and what stands against it.
enum PIDConflictRules {
    static func findings(_ policy: Policy, _ snapshot: Snapshot) -> [Finding] {
        guard policy.restore.pidConflict == .newPIDNamespace, !snapshot.ownNamespaceKinds.contains(.pid)
        else { return [] }
        let hindrances = hindrances(policy, snapshot)
        if hindrances.isEmpty {
            let what = "a pid namespace of its own where an id is taken at restore"
            return [Finding(.newPIDNamespace, FindingObject(pid: snapshot.root), what)]
        }
        return hindrances.map { object, what in
            Finding(
                .newPIDNamespace, object, "no pid namespace of its own at restore: \(what)", severity: .warn)
        }
    }

    private static func hindrances(
        _ policy: Policy, _ snapshot: Snapshot
    ) -> [(FindingObject, String)] {
        var found: [(FindingObject, String)] = []
        let root = FindingObject(pid: snapshot.root)
        if policy.allow.shellJob, ShellJob(snapshot) != nil {
            found.append((root, "its session is that of a shell outside"))
        }
        if snapshot.ownNamespaceKinds.contains(.mount) {
            found.append((root, "its mount namespace lacks the program of an init"))
        }
        for file in snapshot.openFiles {
            let object = FindingObject(pid: file.pid, fd: file.fd, inode: file.inode)
            if file.fileSystem == "proc", ProcessPath(file.link) != nil {
                found.append((object, "\(file.link) would be of another process"))
            } else if ProcessFD.recognise(file, in: snapshot)?.pid == -1 {
                found.append((object, "pidfd of an ended process"))
            }
        }
        return found
    }
}
