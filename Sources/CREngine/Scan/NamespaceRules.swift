import PolicyModel

/// The scan rules of namespaces: those of the root travel with the tree, and all of it lives in them; tasks may have others
/// of uts and ipc.
///
/// A time namespace is ordinary: every restored tree has one, or its clocks would jump.
enum NamespaceRules {
    /// Kinds of which a tree may have its own.
    static let carried: Set<NamespaceKind> = [.pid, .net, .uts, .ipc, .time, .mount, .user, .cgroup]

    /// Namespaces that stay where they are, for a restore to be given.
    static func given(_ snapshot: Snapshot, _ allow: Allowances) -> [Finding] {
        codes.compactMap { kind, code in
            guard let label = snapshot.label(of: kind, allow), let root = snapshot.task(snapshot.root) else {
                return nil
            }
            let number = root.namespaces[keyPath: kind.place]
            return Finding(
                code, FindingObject(pid: root.pid),
                "\(kind.name) namespace \(number), given to a restore as \(label)",
                severity: .allowed)
        }
    }

    private static let codes: [(NamespaceKind, FindingCode)] = [
        (.pid, .pidNamespace), (.net, .networkNamespace), (.mount, .mountNamespace), (.user, .userNamespace),
        (.uts, .utsNamespace), (.ipc, .ipcNamespace), (.cgroup, .cgroupNamespace),
    ]

    static func findings(_ task: TaskFacts, in context: ScanContext) -> [Finding] {
        let snapshot = context.snapshot
        let object = FindingObject(pid: task.pid)
        let root = snapshot.task(snapshot.root)?.namespaces ?? snapshot.ownNamespaces
        var found: [Finding] = codes.compactMap { kind, code in
            let number = task.namespaces[keyPath: kind.place]
            let name = "\(kind.name) namespace \(number)"
            if number != root[keyPath: kind.place] {
                if !isFirst(in: kind, task, snapshot) { return nil }
                let nested = snapshot.nestedNamespaces[number]
                let what =
                    name + " of \(task.comm)[\(task.pid)], that of the root is \(root[keyPath: kind.place])"
                if let nested, nested.hindrance == nil {
                    return Finding(code, object, what, severity: .info)
                }
                return Finding(code, object, what + (nested?.hindrance.map { ", " + $0 } ?? ""))
            }
            if number == snapshot.ownNamespaces[keyPath: kind.place] { return nil }
            if kind == .mount, snapshot.mounts == nil {
                return Finding(code, object, name + ", whose table of mounts cannot be read")
            }
            if kind == .cgroup, CgroupNamespaceRoots(snapshot) == nil {
                return Finding(
                    code, object,
                    name + ", whose roots cannot be told from the groups of process \(snapshot.root)")
            }
            if kind == .user, snapshot.userNamespace == nil {
                return Finding(code, object, name + ", whose maps cannot be read")
            }
            return carried.contains(kind) ? nil : Finding(code, object, name)
        }
        found += UserNamespaceRules.findings(task, snapshot, context.allow)
        if snapshot.ownNamespaceKinds.contains(.pid), task.pid == snapshot.root,
            task.status.namespaceIDs.last != 1, snapshot.label(of: .pid, context.allow) == nil
        {
            found.append(
                Finding(
                    .pidNamespace, object,
                    "pid namespace \(task.namespaces.pid), of which it is not the init but \(task.status.namespaceIDs.last ?? 0)"
                ))
        }
        if task.namespaces.pidForChildren != 0, task.namespaces.pidForChildren != task.namespaces.pid {
            found.append(
                Finding(
                    .namespaceForChildren, object,
                    "pid namespace \(task.namespaces.pidForChildren) for children"
                ))
        }
        // Of one that has no init yet the kernel tells nothing. A zombie has no such namespaces at all.
        if task.namespaces.pidForChildren == 0, task.namespaces.pid != 0, task.namespaces.uts != 0 {
            found.append(
                Finding(.namespaceForChildren, object, "pid namespace without an init, for children"))
        }
        if task.namespaces.timeForChildren != task.namespaces.time {
            found.append(
                Finding(
                    .namespaceForChildren, object,
                    "time namespace \(task.namespaces.timeForChildren) for children"))
        }
        if root.time != task.namespaces.time, isFirst(in: .time, task, snapshot) {
            found.append(
                Finding(
                    .timeNamespaceSplit, object,
                    "time namespace \(task.namespaces.time) of \(task.comm)[\(task.pid)], that of the root is \(root.time)"
                ))
        }
        return found
    }

    /// Of a namespace within the tree is told once, of the first who is in it: who made it, or whom its maker put there.
    private static func isFirst(in kind: NamespaceKind, _ task: TaskFacts, _ snapshot: Snapshot) -> Bool {
        let number = task.namespaces[keyPath: kind.place]
        return snapshot.tasks.first { $0.namespaces[keyPath: kind.place] == number }?.pid == task.pid
    }
}
