/// The scan rules of namespaces: all but the time namespace must be ours.
///
/// A time namespace is ordinary: every restored tree has one, or its clocks would jump.
enum NamespaceRules {
    private struct Row: Sendable {
        let code: FindingCode
        let name: String
        let place: @Sendable (Namespaces) -> UInt64
    }
    private static let rows = [
        Row(code: .pidNamespace, name: "pid") { $0.pid },
        Row(code: .networkNamespace, name: "network") { $0.net },
        Row(code: .mountNamespace, name: "mount") { $0.mount },
        Row(code: .userNamespace, name: "user") { $0.user },
        Row(code: .utsNamespace, name: "uts") { $0.uts },
        Row(code: .ipcNamespace, name: "ipc") { $0.ipc },
        Row(code: .cgroupNamespace, name: "cgroup") { $0.cgroup },
    ]

    static func findings(_ task: TaskFacts, _ snapshot: Snapshot) -> [Finding] {
        let object = FindingObject(pid: task.pid)
        var found = rows.filter { $0.place(task.namespaces) != $0.place(snapshot.ownNamespaces) }.map {
            Finding($0.code, object, "\($0.name) namespace \($0.place(task.namespaces))")
        }
        if task.namespaces.pidForChildren != 0, task.namespaces.pidForChildren != task.namespaces.pid {
            found.append(
                Finding(
                    .namespaceForChildren, object,
                    "pid namespace \(task.namespaces.pidForChildren) for children"
                ))
        }
        if task.namespaces.timeForChildren != task.namespaces.time {
            found.append(
                Finding(
                    .namespaceForChildren, object,
                    "time namespace \(task.namespaces.timeForChildren) for children"))
        }
        if let root = snapshot.task(snapshot.root), root.namespaces.time != task.namespaces.time {
            found.append(
                Finding(
                    .timeNamespaceSplit, object,
                    "time namespace \(task.namespaces.time), that of the root is \(root.namespaces.time)"))
        }
        return found
    }
}
