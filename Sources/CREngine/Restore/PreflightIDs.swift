import Glibc

/// Whether all ids of a tree are free, and who has those that are not.
enum PreflightIDs {
    /// Seconds that the parent of ended processes, often init after a dump that killed them, gets to reap them.
    private static let patience: UInt64 = 5

    static func problems(_ tree: TreeImage) -> [RestoreError] {
        let wanted = wanted(tree)
        let deadline = Deadline.after(milliseconds: patience * 1000)
        var taken: [Int32] = []
        repeat {
            taken = wanted.filter { access("/proc/\($0)", F_OK) == 0 }.sorted()
            if taken.isEmpty { return groups(wanted) }
            usleep(2000)
        } while taken.allSatisfy(isEnded) && !deadline.hasPassed
        return taken.map { id -> RestoreError in
            var problem = RestoreError(
                "id \(id)", "is taken by \(owner(id))",
                remedy: "end it, wait until its parent has noticed its end, or restore with "
                    + "--pid-conflict=new-pid-namespace")
            problem.code = .exists
            return problem
        }
    }

    private static func isEnded(_ id: Int32) -> Bool {
        let state = ProcText.statField(id, 3)
        return state == nil || state == "Z" || state == "X"
    }

    private static func wanted(_ tree: TreeImage) -> Set<Int32> {
        var wanted: Set<Int32> = []
        for task in tree.tasks {
            wanted.formUnion([task.pid.rawValue, task.pgid.rawValue, task.sid.rawValue])
            wanted.formUnion(task.threads.map(\.tid.rawValue))
        }
        // A root that led no session takes ours.
        if let root = tree.tasks.first, root.sid != root.pid, tree.deadSession == nil {
            wanted.remove(root.sid.rawValue)
            if root.pgid == PID(getpgrp()) { wanted.remove(root.pgid.rawValue) }
        }
        return wanted
    }

    private static func owner(_ id: Int32) -> String {
        guard let stat = try? ProcText.read("/proc/\(id)/stat"), let open = stat.firstIndex(of: "("),
            let close = stat.lastIndex(of: ")")
        else { return "another process" }
        let comm = stat[stat.index(after: open)..<close]
        let isZombie = ProcText.statField(id, 3) == "Z"
        let status = (try? ProcText.read("/proc/\(id)/status")) ?? ""
        let leader = ProcText.statusValue(status, "Tgid").flatMap { Int32($0) } ?? id
        let parent = ProcText.statField(id, 4) ?? "?"
        let kind =
            isZombie ? "a zombie of parent \(parent)" : leader != id ? "a thread of \(leader)" : "a process"
        return "\(comm) (\(kind))"
    }

    /// A process group or session keeps its id taken after the process of that id is gone.
    private static func groups(_ wanted: Set<Int32>) -> [RestoreError] {
        guard let directory = opendir("/proc") else { return [] }
        defer { closedir(directory) }
        var found: [RestoreError] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { raw in
                String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard let pid = Int32(name) else { continue }
            // A look into the files of every process of the host takes longer than all other checks together.
            for (id, kind) in [(getpgid(pid), "process group"), (getsid(pid), "session")]
            where wanted.contains(id) {
                found.append(
                    RestoreError(
                        "id \(id)", "is the \(kind) of \(pid), \(owner(pid))", remedy: "end that process"))
            }
        }
        return found
    }
}
