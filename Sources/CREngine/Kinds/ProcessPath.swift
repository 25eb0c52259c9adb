/// A path below /proc/PID, or /proc/TID: what procfs shows of one process or thread. See proc(5).
package struct ProcessPath: Equatable, Sendable {
    /// The number after `/proc/`; a thread that is no leader has such a directory too.
    package let id: Int32
    /// The number after `task/`.
    package let thread: Int32?
    /// What follows the numbers, `fd` or `net/tcp`; empty for the directory itself.
    package let name: String

    /// Nil for any other path, as that of a file about the whole system.
    package init?(_ path: String) {
        guard path.hasPrefix("/proc/") else { return nil }
        var words = path.dropFirst("/proc/".count).split(separator: "/", omittingEmptySubsequences: false)[
            ...]
        guard let first = words.popFirst(), let id = Int32(first), id > 0 else { return nil }
        self.id = id
        if words.count > 1, words.first == "task", let thread = Int32(words[words.startIndex + 1]) {
            self.thread = thread
            words = words.dropFirst(2)
        } else {
            thread = nil
        }
        name = words.joined(separator: "/")
    }

    /// Why its file cannot be opened again once the tree is there; nil where it can.
    func hindrance(_ file: OpenFile, in snapshot: Snapshot) -> String? {
        if snapshot.ownNamespaceKinds.contains(.pid) || snapshot.madeInit != nil {
            return "of a process within a pid namespace"
        }
        guard let task = snapshot.tasks.first(where: { has($0) }) else {
            return "of process \(id), which is not in the tree"
        }
        if case .zombie = task.state { return "of process \(id), which has ended" }
        if let thread, !task.threads.contains(where: { $0.tid.rawValue == thread }) {
            return "of thread \(thread), which has ended"
        }
        if file.isPathOnly { return nil }
        // The descriptor that it tells of would have to be there before it.
        if name.hasPrefix("fdinfo/") { return "of one descriptor" }
        if file.canWrite && !Self.takesWritesOfAnyOpener.contains(name) {
            return "open for writing, which goes by the rights of whoever opened it"
        }
        return nil
    }

    private func has(_ task: TaskFacts) -> Bool {
        task.pid.rawValue == id || task.threads.contains { $0.tid.rawValue == id }
    }

    /// Those whose write functions ask who writes and not who opened: see fs/proc/base.c. `attr/`, `uid_map` and their like
    /// ask for the opener.
    private static let takesWritesOfAnyOpener: Set<String> = [
        "autogroup", "clear_refs", "comm", "coredump_filter", "mem", "oom_adj", "oom_score_adj", "sched",
        "timerslack_ns",
    ]
}
