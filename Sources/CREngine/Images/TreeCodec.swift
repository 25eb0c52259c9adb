import CPlatform

// inventory.img, pstree.img and ids-PID.img.

extension KernelObjectIDs {
    func message(in arena: MessageArena) -> UnsafeMutablePointer<TaskKobjIdsEntry> {
        let message = arena.make(task_kobj_ids_entry__init)
        message.pointee.vm_id = vm
        message.pointee.files_id = files
        message.pointee.fs_id = fs
        message.pointee.sighand_id = sighand
        if let pidNS { (message.pointee.has_pid_ns_id, message.pointee.pid_ns_id) = (1, pidNS) }
        if let netNS { (message.pointee.has_net_ns_id, message.pointee.net_ns_id) = (1, netNS) }
        if let ipcNS { (message.pointee.has_ipc_ns_id, message.pointee.ipc_ns_id) = (1, ipcNS) }
        if let utsNS { (message.pointee.has_uts_ns_id, message.pointee.uts_ns_id) = (1, utsNS) }
        if let mntNS { (message.pointee.has_mnt_ns_id, message.pointee.mnt_ns_id) = (1, mntNS) }
        if let userNS { (message.pointee.has_user_ns_id, message.pointee.user_ns_id) = (1, userNS) }
        if let cgroupNS { (message.pointee.has_cgroup_ns_id, message.pointee.cgroup_ns_id) = (1, cgroupNS) }
        if let timeNS { (message.pointee.has_time_ns_id, message.pointee.time_ns_id) = (1, timeNS) }
        return message
    }

    init(_ message: TaskKobjIdsEntry) {
        vm = message.vm_id
        files = message.files_id
        fs = message.fs_id
        sighand = message.sighand_id
        pidNS = given(message.has_pid_ns_id, message.pid_ns_id)
        netNS = given(message.has_net_ns_id, message.net_ns_id)
        ipcNS = given(message.has_ipc_ns_id, message.ipc_ns_id)
        utsNS = given(message.has_uts_ns_id, message.uts_ns_id)
        timeNS = given(message.has_time_ns_id, message.time_ns_id)
        mntNS = given(message.has_mnt_ns_id, message.mnt_ns_id)
        userNS = given(message.has_user_ns_id, message.user_ns_id)
        cgroupNS = given(message.has_cgroup_ns_id, message.cgroup_ns_id)
    }

    func packed() -> [UInt8] { MessageArena.pack { message(in: $0) } }

    init(_ entry: ImageEntry) throws(ImageError) {
        self = try entry.read(task_kobj_ids_entry__unpack) {
            (message) throws(ImageError) -> KernelObjectIDs in
            KernelObjectIDs(message)
        }
    }
}

extension InventoryImage {
    func packed() -> [UInt8] {
        MessageArena.pack { arena in
            let message = arena.make(inventory_entry__init)
            message.pointee.img_version = 2
            (message.pointee.has_fdinfo_per_id, message.pointee.fdinfo_per_id) = (1, 1)
            (message.pointee.has_ns_per_id, message.pointee.ns_per_id) = (1, 1)
            message.pointee.root_ids = rootIDs.message(in: arena)
            if let set = rootCgroupSet {
                (message.pointee.has_root_cg_set, message.pointee.root_cg_set) = (1, set)
            }
            (message.pointee.has_lsmtype, message.pointee.lsmtype) = (1, Lsmtype(lsmType))
            (message.pointee.has_network_lock_method, message.pointee.network_lock_method) =
                (1, networkLockMethod)
            if let tcpClose {
                (message.pointee.has_tcp_close, message.pointee.tcp_close) = (1, tcpClose ? 1 : 0)
            }
            if let allowUprobes {
                (message.pointee.has_allow_uprobes, message.pointee.allow_uprobes) = (1, allowUprobes ? 1 : 0)
            }
            let list = arena.make(plugins_entry__init)
            list.pointee.n_plugins = plugins.count
            list.pointee.plugins = arena.array(messages: plugins.map { arena.string($0) })
            message.pointee.plugins_entry = list
            message.pointee.dump_criu_run_id = arena.string(runID)
            return message
        }
    }

    /// Reads the entry; the framing is that of all other files of the set.
    static func read(_ entry: ImageEntry) throws(ImageError) -> (InventoryImage, ImageFileReader.Framing) {
        try entry.read(inventory_entry__unpack) {
            (message) throws(ImageError) -> (InventoryImage, ImageFileReader.Framing) in
            guard message.img_version == 1 || message.img_version == 2 else {
                throw entry.error("image version \(message.img_version) is not known; versions 1 and 2 are")
            }
            guard message.has_fdinfo_per_id != 0, message.fdinfo_per_id != 0 else {
                throw entry.error("set is from a CRIU before 0.4, whose descriptor tables are not supported")
            }
            guard let ids = message.root_ids?.pointee else {
                throw entry.error("lacks the namespace ids of the dumping process (root_ids)")
            }
            if message.has_root_cg_set != 0, message.root_cg_set == 0 {
                throw entry.error("names cgroup set 0, which does not exist")
            }
            guard message.lsmtype.rawValue <= LSMTYPE__APPARMOR.rawValue else {
                throw entry.error("security module \(message.lsmtype.rawValue) is not known")
            }
            var runID = ""
            if let text = message.dump_criu_run_id { runID = try entry.text(text, "dump_criu_run_id") }
            var inventory = InventoryImage(rootIDs: KernelObjectIDs(ids), runID: runID)
            inventory.rootCgroupSet = given(message.has_root_cg_set, message.root_cg_set)
            inventory.lsmType = message.lsmtype.rawValue
            inventory.networkLockMethod = message.network_lock_method
            inventory.tcpClose = given(message.has_tcp_close, message.tcp_close != 0)
            inventory.allowUprobes = given(message.has_allow_uprobes, message.allow_uprobes != 0)
            if let list = message.plugins_entry?.pointee {
                for plugin in UnsafeBufferPointer(start: list.plugins, count: list.n_plugins) {
                    inventory.plugins.append(try entry.text(plugin, "name of a plugin"))
                }
            }
            return (inventory, message.img_version == 1 ? .oneWord : .twoWords)
        }
    }
}

/// One row of `pstree.img`.
struct TaskRow {
    var pid: PID
    var parent: PID
    var pgid: PID
    var sid: PID
    var threads: [TID]

    init(_ task: TaskImage) {
        pid = task.pid
        parent = task.parent
        pgid = task.pgid
        sid = task.sid
        threads = task.threads.map(\.tid)
    }

    func packed() -> [UInt8] {
        MessageArena.pack { arena in
            let message = arena.make(pstree_entry__init)
            message.pointee.pid = UInt32(bitPattern: pid.rawValue)
            message.pointee.ppid = UInt32(bitPattern: parent.rawValue)
            message.pointee.pgid = UInt32(bitPattern: pgid.rawValue)
            message.pointee.sid = UInt32(bitPattern: sid.rawValue)
            message.pointee.n_threads = threads.count
            message.pointee.threads = arena.array(threads.map { UInt32(bitPattern: $0.rawValue) })
            return message
        }
    }

    init(_ entry: ImageEntry) throws(ImageError) {
        self = try entry.read(pstree_entry__unpack) { (message) throws(ImageError) -> TaskRow in
            func number(_ value: UInt32, _ what: String, from least: UInt32 = 1) throws(ImageError) -> Int32 {
                guard value >= least, value <= 1 << 22 else {
                    throw entry.error("\(what) \(value) is not a possible process id")
                }
                return Int32(value)
            }
            let pid = PID(try number(message.pid, "pid"))
            let parent = PID(try number(message.ppid, "parent", from: 0))
            let pgid = PID(try number(message.pgid, "process group", from: 0))
            let sid = PID(try number(message.sid, "session", from: 0))
            let list = scalarList(message.threads, message.n_threads)
            guard !list.isEmpty else { throw entry.error("task \(pid) has no thread") }
            // CRIU leaves the first one of a zombie uninitialised; it stands for the leader in any case.
            var threads = [pid.leader]
            for tid in list.dropFirst() { threads.append(TID(try number(tid, "thread"))) }
            return TaskRow(pid: pid, parent: parent, pgid: pgid, sid: sid, threads: threads)
        }
    }

    private init(pid: PID, parent: PID, pgid: PID, sid: PID, threads: [TID]) {
        self.pid = pid
        self.parent = parent
        self.pgid = pgid
        self.sid = sid
        self.threads = threads
    }
}
