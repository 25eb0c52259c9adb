/// Numbers of tasks, groups and sessions as the tree itself sees them, where it has a pid namespace of its own.
///
/// All that we read of a frozen tree names tasks as we see them: /proc, locks, owners and credentials of sockets. Images
/// have the tree's own numbers, and 0 for whoever is outside. See pid_namespaces(7).
struct NamespacePIDs {
    private var numbers: [Int32: Int32] = [:]
    /// Without, System V objects outlive the tree on the host.
    private let hasOwnIPC: Bool
    /// The tree is to be one of our own namespace: what leads its sessions has a number there.
    private let losesNamespace: Bool

    /// Nil where the tree is in our own namespace.
    init?(_ snapshot: Snapshot) {
        let kinds = snapshot.ownNamespaceKinds
        guard kinds.contains(.pid) || snapshot.madeInit != nil else { return nil }
        hasOwnIPC = kinds.contains(.ipc)
        losesNamespace = snapshot.madeInit != nil
        for task in snapshot.tasks {
            note(task.pid.rawValue, task.status.namespaceIDs)
            note(task.pgid.rawValue, task.status.namespaceGroups)
            note(task.sid.rawValue, task.status.namespaceSessions)
            for thread in task.threads { note(thread.tid.rawValue, thread.status.namespaceIDs) }
        }
    }

    /// Of a tree that keeps its numbers and loses sight of all others.
    init(_ tree: TreeImage) {
        hasOwnIPC = tree.ownNamespaceKinds.contains(.ipc)
        losesNamespace = false
        for task in tree.tasks {
            for number in [task.pid, task.pgid, task.sid] { numbers[number.rawValue] = number.rawValue }
            for thread in task.threads { numbers[thread.tid.rawValue] = thread.tid.rawValue }
        }
    }

    /// A row of /proc/PID/status: from our namespace inwards.
    private mutating func note(_ outer: Int32, _ row: [Int32]) {
        if let inner = row.last, row.count > 1 { numbers[outer] = inner }
    }

    func number(_ outer: Int32) -> Int32 { numbers[outer] ?? 0 }
    func number(_ outer: PID) -> PID { PID(number(outer.rawValue)) }

    /// The image with the tree's own numbers.
    func renumbered(_ tree: TreeImage) -> TreeImage {
        var tree = tree
        for place in tree.tasks.indices { renumber(&tree.tasks[place]) }
        for place in tree.files.indices { renumber(&tree.files[place].content) }
        for place in tree.fileLocks.indices {
            tree.fileLocks[place].pid = number(tree.fileLocks[place].pid)
        }
        for place in tree.socketPackets.indices { renumber(&tree.socketPackets[place].credentials) }
        for place in tree.terminals.indices {
            tree.terminals[place].session = number(tree.terminals[place].session)
            tree.terminals[place].foreground = number(tree.terminals[place].foreground)
        }
        renumber(&tree.systemV)
        for place in tree.posixQueues.indices {
            guard let pid = tree.posixQueues[place].notification?.pid else { continue }
            tree.posixQueues[place].notification?.pid = number(pid)
        }
        // From inside, nobody sees a session that is outside.
        tree.deadSession = losesNamespace ? tree.deadSession.map { number($0) } : nil
        return tree
    }

    private func number(_ outer: UInt32) -> UInt32 {
        UInt32(bitPattern: number(Int32(bitPattern: outer)))
    }

    private func renumber(_ task: inout TaskImage) {
        task.pid = number(task.pid)
        task.parent = number(task.parent)
        task.pgid = number(task.pgid)
        task.sid = number(task.sid)
        for place in task.threads.indices {
            task.threads[place].tid = TID(number(task.threads[place].tid.rawValue))
        }
        for place in (task.process?.posixTimers ?? []).indices {
            guard let thread = task.process?.posixTimers[place].notifyThread else { continue }
            task.process?.posixTimers[place].notifyThread = number(thread)
        }
    }

    private func renumber(_ content: inout FileImage.Content) {
        if var owner = content.ownership?.owner, owner.pid != 0 {
            owner.pid = number(owner.pid)
            content.setOwner(owner)
        }
        switch content {
        case .processFD(var image):
            if image.target > 0 { image.target = number(image.target) }
            content = .processFD(image)
        case .unixSocket(var image):
            renumber(&image.peerCredentials)
            content = .unixSocket(image)
        default: break
        }
    }

    private func renumber(_ credentials: inout SocketCredentialsImage?) {
        if let pid = credentials?.pid { credentials?.pid = number(pid) }
    }

    private func renumber(_ systemV: inout SystemVImage) {
        // A segment that outlives the tree is known again by its maker's number of then.
        if hasOwnIPC {
            for place in systemV.segments.indices {
                systemV.segments[place].creator = number(systemV.segments[place].creator)
            }
        }
        // Of the host's objects others may have been users, whose number says who they are.
        func user(_ pid: Int32) -> Int32 { hasOwnIPC ? number(pid) : numbers[pid] ?? pid }
        for place in systemV.semaphores.indices {
            systemV.semaphores[place].lastUsers = systemV.semaphores[place].lastUsers.map { user($0) }
        }
        for place in systemV.queues.indices {
            systemV.queues[place].lastSender = user(systemV.queues[place].lastSender)
            systemV.queues[place].lastReceiver = user(systemV.queues[place].lastReceiver)
        }
        for place in systemV.adjustments.indices {
            systemV.adjustments[place].pid = number(systemV.adjustments[place].pid)
        }
    }
}
