/// A tree that a shell started: it is in the shell's session, and perhaps in a process group of a pipeline's first
/// program.
package struct ShellJob: Equatable, Sendable {
    package let session: PID
    /// The root's process group where somebody outside leads it; nil where the root does.
    package let group: PID?

    /// Nil where the root leads its session.
    package init?(_ snapshot: Snapshot) {
        guard let root = snapshot.task(snapshot.root) else { return nil }
        self.init(pid: root.pid, session: root.sid, group: root.pgid)
    }

    /// Nil where the root leads its session.
    package init?(_ tree: TreeImage) {
        guard let root = tree.tasks.first else { return nil }
        self.init(pid: root.pid, session: root.sid, group: root.pgid)
    }

    private init?(pid: PID, session: PID, group: PID) {
        if session == pid { return nil }
        self.session = session
        self.group = group == pid ? nil : group
    }
}
