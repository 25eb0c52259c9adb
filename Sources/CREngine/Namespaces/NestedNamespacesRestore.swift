import CPlatform
import Glibc

/// Makes the namespaces again that tasks are in and their root is not: the first task of each makes it, the others join it.
///
/// For processes that are bare stubs. Their threads are made later and are born into these.
struct NestedNamespacesRestore {
    let tree: TreeImage

    func make(_ processes: [StubProcess], lender: Lender) throws(RestoreError) {
        for kind in NestedNamespace.kinds {
            var members: [UInt32: StubThread] = [:]
            for process in processes where !process.isZombie {
                guard let number = process.image.ids?[keyPath: kind.imagePlace],
                    number != tree.tasks.first?.ids?[keyPath: kind.imagePlace]
                else { continue }
                if let member = members[number] {
                    try Self.join(kind, of: member, process.leader, lender)
                    continue
                }
                try process.leader.call("unshare", CP_SYS_unshare, Int(kind.cloneFlag))
                members[number] = process.leader
                try fill(kind, number, process.leader)
            }
        }
    }

    private static func join(
        _ kind: NamespaceKind, of member: StubThread, _ thread: StubThread, _ lender: Lender
    ) throws(RestoreError) {
        let path = "/proc/\(member.tid)/ns/\(kind.rawValue)"
        let namespace = try RestoreError.about(path, "cannot be opened") { () throws(Errno) in
            try OwnedFD.open(path, O_RDONLY)
        }
        try lender.lend(namespace.rawValue, to: thread) { (number) throws(RestoreError) -> Void in
            try thread.call("setns", CP_SYS_setns, number, Int(kind.cloneFlag))
        }
    }

    private func fill(
        _ kind: NamespaceKind, _ number: UInt32, _ thread: StubThread
    ) throws(RestoreError) {
        if kind == .uts, let names = tree.namespaces.nestedHostNames[number] {
            try NamespacesRestore.setNames(names, thread)
        }
        guard kind == .ipc, let settings = tree.namespaces.nestedIPC[number] else { return }
        try NamespaceVisit.run(
            .ipc, of: PID(thread.tid.rawValue), refusal: { RestoreError("task \(thread.tid)", "\($0)") }
        ) { () throws(RestoreError) in
            try NamespacesRestore.set(settings, tree.namespaces.user)
        }
    }
}
