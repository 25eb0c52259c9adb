/// What tells whether a tree is still the one that was planned.
package struct TreeFingerprint: Equatable, Sendable, Codable {
    package var pid: PID
    /// Clock ticks after boot.
    package var startTime: UInt64
    package var exe: String?
    package var session: PID
    /// Of all tasks' descriptors and what they refer to.
    package var descriptors: Digest
    /// Of all tasks' mapped files; anonymous memory may come and go.
    package var mappings: Digest

    package init(_ snapshot: Snapshot, root: TaskFacts) throws(StoreError) {
        pid = root.pid
        startTime = root.startTime
        exe = root.exe?.path
        session = root.sid
        var descriptors: [UInt8] = []
        var mappings: Set<String> = []
        for task in snapshot.tasks {
            for descriptor in task.descriptors {
                let line = "\(task.pid) \(descriptor.fd) \(snapshot[descriptor.file].link)\n"
                descriptors.append(contentsOf: line.utf8)
            }
            for area in task.areas {
                guard let file = area.file else { continue }
                let mapped = snapshot[file]
                mappings.insert("\(task.pid) \(mapped.path) \(mapped.device) \(mapped.inode)\n")
            }
        }
        self.descriptors = try Digest.of(descriptors)
        self.mappings = try Digest.of(Array(mappings.sorted().joined().utf8))
    }

    /// What differs from another look at the same pid, in words; empty where it is the same tree.
    package func drift(to now: TreeFingerprint) -> [String] {
        var found: [String] = []
        if now.pid != pid || now.startTime != startTime { found.append("another process has its pid") }
        if now.exe != exe { found.append("program was \(exe ?? "?"), is \(now.exe ?? "?")") }
        if now.session != session { found.append("session was \(session), is \(now.session)") }
        if now.descriptors != descriptors { found.append("open descriptors changed") }
        if now.mappings != mappings { found.append("mapped files changed") }
        return found
    }
}
