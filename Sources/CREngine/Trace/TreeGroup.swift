import Glibc

/// The control group that holds a whole tree and nothing else, where there is one: of the unified hierarchy, or else of the
/// freezer of v1. It can be frozen without stopping a stranger.
struct TreeGroup {
    /// Where the group is mounted.
    let directory: String
    private let root: PID

    /// By what /proc/PID/cgroup says; nil where the groups of the tree are roots of their hierarchies or hold others too.
    ///
    /// A tree that changes all the time may be whole at one look and not at the next: whoever freezes the group asks
    /// `holdsExactlyTheTree` then.
    static func find(_ root: PID) -> TreeGroup? {
        directories(of: root).map { TreeGroup(directory: $0, root: root) }.first { $0.keepsNoStranger }
    }

    /// The group of a process that does not run because it is frozen: tasks in it cannot be asked anything. Nil for none.
    static func frozenGroup(of pid: PID) -> String? {
        directories(of: pid).first { place in
            // Either file speaks of the groups above too.
            if let events = try? ProcText.read(place + "/cgroup.events") {
                return events.contains("frozen 1")
            }
            return (try? ProcText.read(place + "/freezer.state")).map { $0 != "THAWED\n" } ?? false
        }
    }

    /// Groups of a process that can be frozen: of the unified hierarchy, then of v1.
    private static func directories(of pid: PID) -> [String] {
        guard let mounts = try? CgroupMounts.read(), let text = try? ProcText.read("/proc/\(pid)/cgroup"),
            let rows = try? CgroupRow.parse(Array(text.utf8))
        else { return [] }
        let freezers = rows.filter(\.isUnified) + rows.filter { $0.controllers == "freezer" }
        // A path above what is mounted leads out of it.
        return freezers.filter { $0.path != "/" && !$0.path.contains("..") }.compactMap {
            mounts.directory(hierarchy: $0.controllers, path: $0.path)
        }
    }

    /// Whether no process in the group is of another tree, however often one looks: a task whose parent has just ended may be
    /// about to end itself.
    private var keepsNoStranger: Bool {
        guard var suspects = strangers else { return false }
        for _ in 0..<10 where !suspects.isEmpty {
            guard let others = strangers else { return false }
            suspects.formIntersection(others)
        }
        return suspects.isEmpty
    }

    /// Processes in the group that are not of the tree; one that has ended meanwhile is none. Nil where the root is not in it.
    private var strangers: Set<PID>? {
        guard let members = members(of: directory), members.contains(root) else { return nil }
        return members.filter { isOfTree($0) == false }
    }

    /// Whether the processes of the group are those of the tree, which stands still.
    var holdsExactlyTheTree: Bool {
        guard let strangers, strangers.isEmpty, let members = members(of: directory) else { return false }
        var pending = [root]
        while let pid = pending.popLast() {
            let threads = TaskList.threads(of: pid)
            if !members.contains(pid) {
                guard let stat = TaskList.stat(pid, pid.leader) else { continue }
                // The dead are in no group.
                if stat.state != "Z" || threads.count > 1 { return false }
            }
            for thread in threads { pending += TaskList.children(of: pid, thread: thread) }
        }
        return true
    }

    /// By its ancestors; nil where it or one of them is gone.
    private func isOfTree(_ pid: PID) -> Bool? {
        var ancestor = pid
        while ancestor != root {
            if ancestor.rawValue <= 1 { return false }
            guard let parent = TaskList.stat(ancestor, ancestor.leader)?.parent else { return nil }
            ancestor = parent
        }
        return true
    }

    /// Processes in a group and below it; nil where one of the groups does not tell, as those of threads do not.
    private func members(of place: String) -> Set<PID>? {
        guard let text = try? ProcText.read(place + "/cgroup.procs") else { return nil }
        var found = Set(text.split(separator: "\n").compactMap { Int32($0) }.map { PID($0) })
        for child in CgroupDirectories.children(place) {
            guard let more = members(of: place + "/" + child) else { return nil }
            found.formUnion(more)
        }
        return found
    }
}
