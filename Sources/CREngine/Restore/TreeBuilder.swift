import CPlatform

/// Makes the processes of a tree out of its bare root, with their sessions and process groups.
///
/// A session cannot be joined, only be born into or made. So a child that is in a session which its parent left is
/// born before the parent's setsid(2), and one whose session's leader is a brother, or is gone, is made by that
/// leader (a helper stands in for a dead one) with CLONE_PARENT.
final class TreeBuilder {
    private let tree: TreeImage
    private let children: [PID: [TaskImage]]
    private let byPID: [PID: TaskImage]
    /// In the order of their making, so parents before children.
    private(set) var processes: [StubProcess] = []
    /// Every id that was made, for killing.
    private(set) var made: [TID]
    private var helpers: [Helper] = []
    private var sessions: SessionTerminals?
    /// Called with each process before its children are made.
    private var prepare: ((StubProcess, [TaskImage]) throws(RestoreError) -> Void)?

    private struct Helper {
        /// In the pid namespace of the tree, as are sessions and groups.
        var id: Int32
        var thread: StubThread
        var parent: StubThread
        var session: Int32
        /// What a task that it makes has of the parent's.
        var memory = PresentMemory()
    }

    init(tree: TreeImage) {
        self.tree = tree
        var children: [PID: [TaskImage]] = [:]
        var byPID: [PID: TaskImage] = [:]
        for (index, task) in tree.tasks.enumerated() {
            if index > 0 { children[task.parent, default: []].append(task) }
            byPID[task.pid] = task
        }
        self.children = children
        self.byPID = byPID
        made = []
    }

    /// Notes a task that has to die should the restore fail.
    func note(_ tid: TID) { made.append(tid) }

    /// Builds everything below the root, then the process groups.
    func build(
        root: StubThread, image: TaskImage, session: Int32, group: Int32, sessions: SessionTerminals,
        prepare: @escaping (StubProcess, [TaskImage]) throws(RestoreError) -> Void
    ) throws(RestoreError) {
        self.sessions = sessions
        self.prepare = prepare
        let process = StubProcess(
            image: image, leader: root, session: session, group: group, sharesDescriptors: false)
        processes.append(process)
        try grow(process)
        try joinGroups()
        try sessions.setForeground(processes)
        try dismissHelpers()
    }

    // MARK: sessions

    /// The session that a task must be born into; nil when any will do, as it makes its own.
    private func birthSession(_ task: TaskImage) -> Int32? {
        if task.sid != task.pid { return task.sid.rawValue }
        for child in children[task.pid] ?? [] {
            guard let wanted = birthSession(child), wanted != task.sid.rawValue else { continue }
            if let leader = byPID[PID(wanted)], leader.parent != task.pid { return wanted }
        }
        return nil
    }

    private func grow(_ process: StubProcess) throws(RestoreError) {
        let task = process.image
        if case .dead = task.state, task.sid != task.pid { return }
        if let own = children[task.pid] { try prepare?(process, own) }
        var early: [TaskImage] = []
        var late: [TaskImage] = []
        var adopted: [TaskImage] = []
        for child in children[task.pid] ?? [] {
            switch birthSession(child) {
            case nil, task.sid.rawValue: late.append(child)
            case process.session: early.append(child)
            default: adopted.append(child)
            }
        }
        var grown: [StubProcess] = []
        for child in early { grown.append(try spawn(child, from: process)) }
        if task.sid == task.pid && process.session != task.pid.rawValue {
            try process.leader.call("setsid", CP_SYS_setsid)
            process.session = task.pid.rawValue
            process.group = task.pid.rawValue
            try sessions?.acquire(process.leader, session: process.session)
        }
        guard process.session == task.sid.rawValue else {
            throw RestoreError(
                "task \(task.pid)", "belongs to session \(task.sid), which it cannot be born into",
                remedy: "restore it with --shell-job, or from a process of that session")
        }
        for child in late { grown.append(try spawn(child, from: process)) }
        for child in grown { try grow(child) }
        for child in adopted { try grow(try adopt(child, parent: process)) }
    }

    private func spawn(_ task: TaskImage, from parent: StubProcess) throws(RestoreError) -> StubProcess {
        let shares = task.ids != nil && task.ids?.files == parent.image.ids?.files
        let sharesDirectories = task.ids != nil && task.ids?.fs == parent.image.ids?.fs
        let (cloneFS, cloneFiles): (UInt64, UInt64) = (0x200, 0x400)
        let flags = (shares ? cloneFiles : 0) | (sharesDirectories ? cloneFS : 0)
        let exitSignal = UInt64(task.process?.exitSignal ?? 17)
        let thread = try parent.leader.spawn(task.pid.leader, flags: flags, exitSignal: exitSignal)
        made.append(thread.tid)
        let process = StubProcess(
            image: task, leader: thread, session: parent.session, group: parent.group,
            sharesDescriptors: shares)
        process.present = parent.present.handedDown(by: parent.image)
        processes.append(process)
        return process
    }

    /// Makes a child of `parent` in the session of a brother or of a leader that is gone.
    private func adopt(_ task: TaskImage, parent: StubProcess) throws(RestoreError) -> StubProcess {
        if let ids = task.ids,
            ids.files == parent.image.ids?.files || ids.fs == parent.image.ids?.fs
                || task.process?.exitSignal != nil
        {
            throw RestoreError(
                "task \(task.pid)",
                "shares files or directories with its parent, or ends with another signal than SIGCHLD, and "
                    + "can be made by a brother only")
        }
        let session = task.sid == task.pid ? birthSession(task) ?? task.sid.rawValue : task.sid.rawValue
        let maker: StubThread
        let group: Int32
        let memory: PresentMemory
        let cloneParent: UInt64 = 0x8000
        if let brother = processes.first(where: {
            $0.image.parent == parent.pid && $0.session == session && $0.pid != task.pid
        }) {
            maker = brother.leader
            group = brother.group
            memory = brother.present.handedDown(by: brother.image)
        } else if let helper = helpers.first(where: {
            $0.session == session && $0.parent.tid == parent.leader.tid
        }) {
            maker = helper.thread
            group = session
            memory = helper.memory
        } else {
            guard byPID[PID(session)] == nil, !helpers.contains(where: { $0.id == session })
            else {
                throw RestoreError(
                    "task \(task.pid)", "belongs to session \(session), whose leader is not its brother",
                    remedy: "dump the tree from a task further up")
            }
            maker = try makeHelper(TID(session), from: parent)
            try maker.call("setsid", CP_SYS_setsid)
            memory = parent.present.handedDown(by: parent.image)
            helpers.append(
                Helper(
                    id: session, thread: maker, parent: parent.leader, session: session, memory: memory))
            group = session
        }
        // The kernel takes the maker's own exit signal, which is SIGCHLD.
        let thread = try maker.spawn(task.pid.leader, flags: cloneParent, exitSignal: 0)
        made.append(thread.tid)
        let process = StubProcess(
            image: task, leader: thread, session: session, group: group, sharesDescriptors: false)
        process.present = memory
        processes.append(process)
        return process
    }

    private func makeHelper(_ tid: TID, from parent: StubProcess) throws(RestoreError) -> StubThread {
        let thread = try parent.leader.spawn(tid, flags: 0, exitSignal: 17)
        made.append(thread.tid)
        return thread
    }

    // MARK: process groups

    private func joinGroups() throws(RestoreError) {
        for process in processes
        where process.image.pgid == process.pid && process.group != process.pid.rawValue {
            try process.leader.call("setpgid", CP_SYS_setpgid, 0, 0)
            process.group = process.pid.rawValue
        }
        for process in processes where process.group != process.image.pgid.rawValue {
            let group = process.image.pgid.rawValue
            let exists =
                processes.contains { $0.group == group }
                || helpers.contains { $0.id == group }
            if !exists {
                let helper = try makeHelper(TID(group), from: process)
                try helper.call("setpgid", CP_SYS_setpgid, 0, 0)
                helpers.append(
                    Helper(id: group, thread: helper, parent: process.leader, session: process.session))
            }
            try process.leader.call("setpgid", CP_SYS_setpgid, 0, Int(group))
            process.group = group
        }
    }

    /// Ends the helpers, while every task is still a stub that ignores it, and takes their exit status away.
    private func dismissHelpers() throws(RestoreError) {
        for helper in helpers {
            try RestoreError.about("task \(helper.thread.tid)", "helper cannot be ended") {
                () throws(Errno) in
                try systemCall(CP_SYS_kill, Int(helper.thread.tid.rawValue), 9)
                while try !Wait.one(helper.thread.tid).isEnd {}
            }
            made.removeAll { $0 == helper.thread.tid }
            let anyChild = 0x4000_0000
            try helper.parent.call(
                "wait4", CP_SYS_wait4, Int(helper.id), 0, anyChild, 0)
            try ChildSignal.drain(helper.parent)
        }
        helpers = []
    }
}

/// SIGCHLD that the building of the tree leaves in a parent.
enum ChildSignal {
    /// Takes one pending SIGCHLD away, if there is one.
    static func drain(_ parent: StubThread) throws(RestoreError) {
        let set = try parent.put(UInt64(1) << 16)
        let now = try parent.put((Int(0), Int(0)), at: 16)
        switch try parent.attempt("rt_sigtimedwait", CP_SYS_rt_sigtimedwait, set, 0, now, 8) {
        case .success, .failure(.again): return
        case .failure(let errno):
            throw RestoreError("task \(parent.tid)", "SIGCHLD cannot be taken from its queue", errno: errno)
        }
    }
}
