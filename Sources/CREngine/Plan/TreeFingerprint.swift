/// What tells whether a tree is still the one that was planned.
package struct TreeFingerprint: Equatable, Sendable, Codable {
    /// One process of the tree.
    package struct Task: Equatable, Sendable, Codable {
        package var pid: PID
        /// Clock ticks after boot.
        package var startTime: UInt64
        /// A zombie: its parent has not asked for its status yet.
        package var hasEnded: Bool
        /// Nil where it has ended, or where the link could not be read.
        package var exe: String?
        package var session: PID
        /// Of its descriptors: number, close-on-exec, and the file that each refers to. Where a program stands in a file
        /// is no part of it.
        package var descriptors: Digest
        /// Of its mapped files; anonymous memory may come and go.
        package var mappings: Digest
    }

    /// The root first.
    package var tasks: [Task]

    package init(_ snapshot: Snapshot, root: TaskFacts) throws(StoreError) {
        tasks = [try Task(root, snapshot)]
        for task in snapshot.tasks where task.pid != root.pid { tasks.append(try Task(task, snapshot)) }
    }

    /// Of the root, in clock ticks after boot.
    package var startTime: UInt64 { tasks.first?.startTime ?? 0 }

    /// What differs from another look at a tree, in words; empty where it is the same tree.
    package func drift(to now: TreeFingerprint) -> [String] {
        guard let root = tasks.first, let present = now.tasks.first else { return ["it has no processes"] }
        if present.pid != root.pid { return ["another process, pid \(present.pid), is in its place"] }
        if present.startTime != root.startTime { return ["another process has its pid"] }
        var found = root.drift(to: present)
        let others = Dictionary(now.tasks.dropFirst().map { ($0.pid, $0) }, uniquingKeysWith: { a, _ in a })
        for task in tasks.dropFirst() {
            guard let other = others[task.pid], other.startTime == task.startTime else {
                found.append("process \(task.pid) has ended")
                continue
            }
            found += task.drift(to: other).map { "process \(task.pid): \($0)" }
        }
        let known = Dictionary(tasks.map { ($0.pid, $0.startTime) }, uniquingKeysWith: { a, _ in a })
        for task in now.tasks where known[task.pid] != task.startTime {
            found.append("process \(task.pid) is new")
        }
        return found
    }
}

extension TreeFingerprint.Task {
    fileprivate init(_ task: TaskFacts, _ snapshot: Snapshot) throws(StoreError) {
        var descriptors: [UInt8] = []
        for descriptor in task.descriptors {
            let file = snapshot[descriptor.file]
            let device = file.facts.map { "\($0.device)" } ?? "?"
            let line = "\(descriptor.fd) \(descriptor.closesOnExec) \(device) \(file.inode) \(file.link)\n"
            descriptors.append(contentsOf: line.utf8)
        }
        var mappings: Set<String> = []
        for area in task.areas {
            guard let file = area.file else { continue }
            let mapped = snapshot[file]
            mappings.insert("\(mapped.path) \(mapped.device) \(mapped.inode)\n")
        }
        self.init(
            pid: task.pid, startTime: task.startTime, hasEnded: task.isZombie, exe: task.exe?.path,
            session: task.sid,
            descriptors: try Digest.of(descriptors),
            mappings: try Digest.of(Array(mappings.sorted().joined().utf8)))
    }

    /// What differs of one process that is still there.
    fileprivate func drift(to now: TreeFingerprint.Task) -> [String] {
        if now.hasEnded != hasEnded { return ["it has ended and waits for its parent"] }
        var found: [String] = []
        if now.exe != exe { found.append("program was \(exe ?? "?"), is \(now.exe ?? "?")") }
        if now.session != session { found.append("session was \(session), is \(now.session)") }
        if now.descriptors != descriptors { found.append("open descriptors changed") }
        if now.mappings != mappings { found.append("mapped files changed") }
        return found
    }
}
