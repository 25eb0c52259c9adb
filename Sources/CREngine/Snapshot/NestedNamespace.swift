import CPlatform
import Glibc

/// A namespace that tasks of a tree are in and its root is not.
package struct NestedNamespace: Equatable, Sendable {
    package var kind: NamespaceKind
    /// The first of the tree who is in it.
    package var member: PID
    /// Why no image can hold it; nil where one can.
    package var hindrance: String?

    /// Kinds that travel wherever in a tree they are.
    static let kinds: [NamespaceKind] = [.uts, .ipc]

    /// Those of a tree, by inode. What only our own privileges keep from being read is a hindrance, too.
    static func all(of snapshot: Snapshot) -> [UInt64: NestedNamespace] {
        guard let root = snapshot.task(snapshot.root)?.namespaces else { return [:] }
        var found: [UInt64: NestedNamespace] = [:]
        for task in snapshot.tasks where !task.isZombie {
            for kind in kinds {
                let inode = task.namespaces[keyPath: kind.place]
                if inode == root[keyPath: kind.place] || found[inode] != nil { continue }
                found[inode] = NestedNamespace(
                    kind: kind, member: task.pid,
                    hindrance: hindrance(kind, inode, of: task, snapshot))
            }
        }
        return found
    }

    private static func hindrance(
        _ kind: NamespaceKind, _ inode: UInt64, of task: TaskFacts, _ snapshot: Snapshot
    ) -> String? {
        guard inode != 0 else { return "which cannot be read" }
        if inode == snapshot.ownNamespaces[keyPath: kind.place] { return "which is that of the host" }
        guard let owner = try? UserNamespaceFacts.owner(of: kind, of: task.pid),
            owner == snapshot.task(snapshot.root)?.namespaces.user
        else { return "which another user namespace owns than that of the root" }
        guard kind == .ipc else { return nil }
        let members = snapshot.tasks.filter { $0.namespaces.ipc == inode }
        if members.contains(where: { $0.areas.contains { $0.kind == .systemV } }) {
            return "of which a process maps a shared memory segment"
        }
        return members.lazy.compactMap { use(of: $0.pid, snapshot.systemV) }.first ?? content(of: task.pid)
    }

    /// What the kernel notes of a process in the objects of the namespace that the root is in.
    private static func use(of pid: PID, _ facts: SystemVFacts) -> String? {
        let isNoted =
            facts.undoLists.contains(pid) || facts.segments.contains { $0.row.creator == pid }
            || facts.semaphores.contains { $0.lastUsers.contains(pid) }
            || facts.queues.contains { $0.row.lastSender == pid || $0.row.lastReceiver == pid }
        return isNoted ? "of which process \(pid) has used System V IPC of the root's" : nil
    }

    /// What is in an ipc namespace besides its settings.
    private static func content(of pid: PID) -> String? {
        do throws(NamespaceVisit.Failure) {
            return try NamespaceVisit.run(.ipc, of: pid, refusal: { $0 }) {
                () throws(NamespaceVisit.Failure) -> String? in
                do throws(Errno) {
                    for kind in [SystemV.Kind.segment, .semaphores, .queue] {
                        // The first line is a heading.
                        let lines = try SystemV.table(kind).count { $0 == UInt8(ascii: "\n") }
                        if lines > 1 { return "in which there are objects of System V IPC" }
                    }
                    return try PosixQueueScan.findsAny() ? "in which there are POSIX message queues" : nil
                } catch {
                    return "of which the objects cannot be read: \(error)"
                }
            }
        } catch {
            return "which cannot be entered: \(error)"
        }
    }
}
