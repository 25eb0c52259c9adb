import CPlatform
import Glibc

/// Takes the snapshot of one tree: the only reader of /proc.
///
/// Has no effect on the tree: no descriptor is copied, no device or fifo opened, nothing stopped. See
/// `Snapshot` for what the result is worth.
package struct Collector {
    /// How the tree is looked at.
    package struct Scope: Sendable {
        /// Every task is held by a tracer; then all is read, however large.
        package var isFrozen: Bool
        /// Of more mappings than about this in one running process smaps is not read to its end: the kernel walks page
        /// tables for it, and keeps the process from mapping meanwhile.
        package var areaLimit: Int
        /// The same of a running process with more resident bytes than this.
        package var residentLimit: UInt64
        /// Whether descriptors of other processes are looked through for far ends of pipes and sockets.
        package var findsOutsideHolders: Bool
        package static let live = Scope(
            isFrozen: false, areaLimit: 8192, residentLimit: .max, findsOutsideHolders: true)
        /// Right before a frozen look, which tells what this one leaves out.
        package static let beforeFreeze = Scope(
            isFrozen: false, areaLimit: 8192, residentLimit: 32 << 20, findsOutsideHolders: true)
        package static let frozen = Scope(
            isFrozen: true, areaLimit: .max, residentLimit: .max, findsOutsideHolders: true)
    }

    private let scope: Scope
    private let notes: KernelNotes
    private var snapshot: Snapshot
    private var paths = PathCheck()
    private var openFiles = OpenFileTable()
    private var mappedFiles: [TaskReading.MappedFileKey: MappedFileID] = [:]
    private var mappedFacts: [TaskReading.MappedFileKey: FileFacts] = [:]
    private var fileSystems: [Int32: String] = [:]
    private var sharing = SharingClasses()

    /// Looks at a process and all that descend from it.
    ///
    /// Throws where the root is gone, or /proc is not readable or not understood. Anything that vanishes below the
    /// root is an event of the snapshot.
    /// `earlier` is a look at the same tree: comparisons begin with what it found.
    package static func collect(
        root: PID, scope: Scope, notes: KernelNotes = KernelNotes(), earlier: Snapshot? = nil
    ) throws(CollectorError) -> Snapshot {
        var collector = Collector(root: root, scope: scope, notes: notes)
        collector.openFiles = OpenFileTable(earlier: earlier)
        try collector.visit(root, ReadAhead(try collector.prepare()))
        guard !collector.snapshot.tasks.isEmpty else { throw .noSuchProcess(root) }
        try collector.finish()
        return collector.snapshot
    }

    private init(root: PID, scope: Scope, notes: KernelNotes) {
        self.scope = scope
        self.notes = notes
        snapshot = Snapshot(collector: PID(getpid()), root: root, isFrozen: scope.isFrozen)
    }

    // MARK: Before and after

    /// What is ours, and what readers have to know.
    private mutating func prepare() throws(CollectorError) -> TaskReader.Context {
        do throws(Errno) {
            let own = try ProcDirectory.open("/proc/self")
            snapshot.ownNamespaces = TaskReader.namespaces(own)
            snapshot.ownSecurityLabel = TaskReader.label(own)
            let status = try? TaskStatus(parsing: own.readRecord("status"))
            snapshot.ownSeccompMode = status?.seccompMode ?? 0
            snapshot.sharedMemoryDevice = try Self.sharedMemoryDevice()
            for mount in (try? MountRow.parse(try own.read("mountinfo"))) ?? [] {
                fileSystems[mount.id] = mount.fileSystem
            }
        } catch {
            throw .unreadable(path: "/proc/self", errno: error)
        }
        return TaskReader.Context(
            scope: scope, ownNamespaces: snapshot.ownNamespaces, hasSeveralNodes: Self.hasSeveralNodes(),
            notes: notes)
    }

    private mutating func finish() throws(CollectorError) {
        snapshot.madeInit = madeInit()
        snapshot.openFiles = openFiles.files
        for place in snapshot.openFiles.indices {
            let file = snapshot.openFiles[place]
            snapshot.openFiles[place].fileSystem =
                fileSystems[file.info.mount] ?? KernelMount.fileSystem(of: file)
        }
        try findNetwork()
        snapshot.sockets = SocketScan.facts(of: snapshot.openFiles, in: snapshot)
        snapshot.epollTargets = EpollScan.targets(of: snapshot)
        snapshot.watches = WatchScan.facts(of: &snapshot)
        snapshot.locks = LockScan.locks(of: snapshot)
        snapshot.watchedTasks = WriteTracker.watched(root: snapshot.root)
        do throws(CollectorError) {
            snapshot.systemV = try SystemVScan.facts(of: snapshot, notes)
        } catch {
            // Without privileges nobody enters the tree's ipc namespace, and the rest of a look tells enough.
            guard !snapshot.isFrozen, case .unreadable(let path, .perm) = error else { throw error }
            snapshot.events.append(.unreadable(snapshot.root, what: path, .perm))
        }
        findMounts()
        findUserNamespace()
        snapshot.nestedNamespaces = NestedNamespace.all(of: snapshot)
        try findCgroupRoots()
        findOutsideLeaders()
        if let parent = snapshot.task(snapshot.root)?.parent,
            let bytes = try? ProcDirectory.open("/proc/\(parent)").read("cgroup")
        {
            snapshot.parentCgroups = (try? CgroupRow.parse(bytes)) ?? []
        }
        if scope.findsOutsideHolders {
            snapshot.outsideHolders = OutsideScan.holders(of: snapshot)
        }
    }

    /// See `NewPIDNamespace`.
    private func madeInit() -> PID? {
        guard let root = snapshot.task(snapshot.root), root.namespaces.pid != 0,
            root.namespaces.pid != snapshot.ownNamespaces.pid,
            let directory = try? ProcDirectory.open("/proc/\(root.parent)"),
            TaskReader.namespaces(directory).pid == root.namespaces.pid,
            let status = try? TaskStatus(parsing: directory.readRecord("status")),
            status.namespaceIDs.last == NamespaceInit.pid.rawValue,
            let stat = try? TaskStat(parsing: directory.readRecord("stat")), stat.comm == NamespaceInit.name
        else { return nil }
        return root.parent
    }

    /// A table that cannot be read or understood is that of a task of which more than that is told.
    private mutating func findMounts() {
        guard let root = snapshot.task(snapshot.root),
            root.namespaces.mount != 0, root.namespaces.mount != snapshot.ownNamespaces.mount,
            let theirs = try? ProcDirectory.open("/proc/\(root.pid)").read("mountinfo"),
            let ours = try? ProcDirectory.open("/proc/self").read("mountinfo"),
            let rows = try? MountRow.parse(theirs), let ownRows = try? MountRow.parse(ours)
        else { return }
        snapshot.mounts = MountNamespaceFacts(
            namespace: root.namespaces.mount, pid: root.pid, rows: rows, ownRows: ownRows)
    }

    /// Maps of ids, and which namespaces belong to another user namespace than the root's. What cannot be read is a finding
    /// of the rules.
    private mutating func findUserNamespace() {
        guard let root = snapshot.task(snapshot.root), root.namespaces.user != 0 else { return }
        for kind in snapshot.ownNamespaceKinds where kind != .user {
            guard let owner = try? UserNamespaceFacts.owner(of: kind, of: root.pid) else { continue }
            if owner != root.namespaces.user { snapshot.foreignOwners[kind] = owner }
        }
        if root.namespaces.user == snapshot.ownNamespaces.user { return }
        let facts = try? UserNamespaceFacts.read(of: root.pid, ours: snapshot.ownNamespaces.user)
        snapshot.userNamespace = facts.flatMap { try? $0.get() }
    }

    /// What the root's groups are called from inside. Without privileges nobody is let in, as with the network.
    private mutating func findCgroupRoots() throws(CollectorError) {
        guard snapshot.ownNamespaceKinds.contains(.cgroup) else { return }
        let root = snapshot.root
        do throws(CollectorError) {
            snapshot.rootCgroupsInside = try NamespaceVisit.run(
                .cgroup, of: root, refusal: { .unreadable(path: "/proc/\(root)/ns/cgroup", errno: $0.errno) }
            ) { () throws(CollectorError) in
                do throws(Errno) {
                    let bytes = try ProcDirectory.open("/proc/\(root)").read("cgroup")
                    return try? CgroupRow.parse(bytes)
                } catch {
                    throw .unreadable(path: "/proc/\(root)/cgroup", errno: error)
                }
            }
        } catch {
            guard !snapshot.isFrozen, case .unreadable(_, let errno) = error else { throw error }
            snapshot.events.append(.unreadable(root, what: "ns/cgroup", errno))
        }
    }

    /// What is in a network namespace of the tree's own. Only privileges let anybody in: without them the rest of a look
    /// tells enough.
    private mutating func findNetwork() throws(CollectorError) {
        guard snapshot.ownNamespaceKinds.contains(.net) else { return }
        do throws(NetworkError) {
            snapshot.network = try NetworkScan.read(of: snapshot.root)
        } catch {
            guard !snapshot.isFrozen, let errno = error.errno else {
                throw .network(pid: snapshot.root, error: error)
            }
            snapshot.events.append(.unreadable(snapshot.root, what: "ns/net", errno))
        }
    }

    /// Whether memory can come from more than one node; false for a kernel without NUMA.
    private static func hasSeveralNodes() -> Bool {
        let nodes = try? OwnedFD.open("/sys/devices/system/node/possible", O_RDONLY).readToEnd()
        return nodes.map { TaskReader.line($0) != "0" } ?? false
    }

    /// Where the kernel keeps memfds and shared anonymous memory: that of a memfd of our own.
    private static func sharedMemoryDevice() throws(Errno) -> DeviceNumber {
        let name: StaticString = "crplan"
        let fd = try systemCall(CP_SYS_memfd_create, Int(bitPattern: name.utf8Start), 1)
        let file = OwnedFD(taking: Int32(fd))
        return try FileFacts.of("/proc/self/fd/\(file.rawValue)", followingLinks: true).device
    }

    private mutating func findOutsideLeaders() {
        let inside = Set(snapshot.tasks.map(\.pid))
        for task in snapshot.tasks {
            for leader in [task.pgid, task.sid]
            where !inside.contains(leader) && snapshot.outsideLeaders[leader] == nil {
                let stat = try? ProcDirectory.open("/proc/\(leader)").read("stat")
                let facts = stat.flatMap { try? TaskStat(parsing: $0) }
                let terminal = facts.flatMap { $0.terminal == 0 ? nil : DeviceNumber(encoded: $0.terminal) }
                snapshot.outsideLeaders[leader] = OutsideProcess(
                    pid: leader, comm: facts?.comm ?? "", isAlive: facts != nil, terminal: terminal)
            }
        }
        findSurvivors(inside)
    }

    /// Who else is in groups and sessions whose leader is gone: they keep the number taken when the tree is killed.
    private mutating func findSurvivors(_ inside: Set<PID>) {
        let gone = Set(snapshot.outsideLeaders.values.filter { !$0.isAlive }.map(\.pid))
        guard !gone.isEmpty, let proc = try? ProcDirectory.open("/proc"), let pids = try? proc.numbers(".")
        else { return }
        for pid in pids where !inside.contains(PID(pid)) {
            guard let bytes = try? ProcDirectory.open("/proc/\(pid)").readRecord("stat"),
                let stat = try? TaskStat(parsing: bytes)
            else { continue }
            // Born in a running tree after the look at its parent.
            if !snapshot.isFrozen, inside.contains(PID(stat.parent)) { continue }
            for leader in [PID(stat.processGroup), PID(stat.session)] where gone.contains(leader) {
                snapshot.outsideLeaders[leader]?.survivor = PID(pid)
            }
        }
    }

    // MARK: Tasks

    /// Takes the process in and all that descend from it, parents before children, siblings by pid.
    private mutating func visit(_ pid: PID, _ readers: ReadAhead) throws(CollectorError) {
        defer { readers.close() }
        var pending: [(pid: PID, parent: PID?)] = [(pid, nil)]
        while let next = pending.popLast() {
            do throws(TaskReadError) {
                let reading = try readers.reading(of: next.pid, expectedParent: next.parent)
                try take(reading)
                for child in reading.children.sorted(by: >) { pending.append((child, next.pid)) }
            } catch {
                switch error {
                case .vanished: snapshot.events.append(.processVanished(next.pid))
                case .format(let error): throw .malformed(pid: next.pid, error: error)
                case .denied(let what, let errno):
                    throw .unreadable(path: "/proc/\(next.pid)/\(what)", errno: errno)
                }
            }
        }
    }

    /// Compares a process with those before it.
    private mutating func take(_ reading: TaskReading) throws(TaskReadError) {
        mappedFacts.merge(reading.mappedFiles) { first, _ in first }
        var task = reading.task
        if !task.isZombie && !task.isKernelThread {
            let view = view(of: task)
            for mount in reading.mounts { fileSystems[mount.id] = mount.fileSystem }
            task.exe = reading.exe.map { checked($0, view) }
            task.cwd = reading.cwd.map { checked($0, view) }
            task.rootDirectory = reading.rootDirectory.map { checked($0, view) }
            snapshot.events += reading.events
            try compareSharing(&task)
            takeAreas(&task, reading.areas, view)
            takeDescriptors(&task, reading.descriptors, view)
        }
        snapshot.tasks.append(task)
    }

    /// Where the paths of a task lead from: in a mount namespace that the tree's root has too, from that root. One that has
    /// changed its own root is told paths below that, and we are told them from the namespace's.
    private func view(of task: TaskFacts) -> String? {
        if task.namespaces.mount == snapshot.ownNamespaces.mount { return "" }
        let root = snapshot.tasks.first?.namespaces.mount ?? task.namespaces.mount
        return task.namespaces.mount == root ? "/proc/\(snapshot.root)/root" : nil
    }

    private mutating func checked(_ link: TaskReading.Link, _ view: String?) -> FileLink {
        let answer = paths.answer(link.text, link.facts, view: view)
        return FileLink(path: answer.path, facts: link.facts, reach: answer.reach)
    }

    private mutating func compareSharing(_ task: inout TaskFacts) throws(TaskReadError) {
        do throws(Errno) {
            task.sharing = try sharing.classes(of: task)
        } catch {
            // A task of an earlier class may have gone, so this one is asked no more.
            if error == .noProcess { throw .vanished }
            snapshot.events.append(.unreadable(task.pid, what: "kcmp", error))
        }
    }

    private mutating func takeAreas(_ task: inout TaskFacts, _ rows: [AreaRow], _ view: String?) {
        task.areas.reserveCapacity(rows.count)
        for row in rows {
            var file: MappedFile?
            if row.inode != 0 { file = mappedFile(row, task.pid, view) }
            let kind = AreaKind(
                row: row, facts: file?.facts, sharedMemoryDevice: snapshot.sharedMemoryDevice)
            var area = VMA(
                start: row.start, end: row.end, protection: row.protection, isShared: row.isShared,
                offset: row.offset, name: file == nil ? row.name : "", file: file?.id, flags: row.flags,
                kind: kind)
            area.hasSharedPages = row.hasSharedPages
            area.pageSize = row.pageSize
            task.areas.append(area)
        }
    }

    private mutating func mappedFile(_ row: AreaRow, _ pid: PID, _ view: String?) -> MappedFile {
        let key = TaskReading.MappedFileKey(row)
        if let known = mappedFiles[key] { return snapshot[known] }
        let facts = mappedFacts[key]
        let answer = paths.answer(row.name, facts, view: view)
        let file = MappedFile(
            id: MappedFileID(rawValue: snapshot.mappedFiles.count), path: answer.path, device: row.device,
            inode: row.inode, facts: facts, reach: answer.reach, pid: pid, start: row.start, end: row.end)
        mappedFiles[key] = file.id
        snapshot.mappedFiles.append(file)
        return file
    }

    private mutating func takeDescriptors(
        _ task: inout TaskFacts, _ descriptors: [TaskReading.OpenDescriptor], _ view: String?
    ) {
        for descriptor in descriptors {
            var info = descriptor.info
            let closes = info.flags & DescriptorInfo.closeOnExec != 0
            info.flags &= ~DescriptorInfo.closeOnExec
            let answer = paths.answer(descriptor.link, descriptor.facts, view: view)
            var file = OpenFile(
                id: OpenFileID(rawValue: 0), link: answer.path, facts: descriptor.facts, reach: answer.reach,
                info: info, pid: task.pid, fd: descriptor.fd)
            if let facts = descriptor.facts, answer.reach == .other || answer.reach == .gone {
                file.otherName = DeviceNames.name(of: facts, at: answer.path)
            }
            do throws(Errno) {
                let id = try openFiles.id(
                    of: file, address: descriptor.address, checksPosition: scope.isFrozen)
                var row = Descriptor(fd: descriptor.fd, closesOnExec: closes, file: id)
                row.locks = info.locks
                task.descriptors.append(row)
            } catch {
                snapshot.events.append(
                    error == .badDescriptor || error == .noProcess
                        ? .descriptorClosed(task.pid, descriptor.fd)
                        : .unreadable(task.pid, what: "fd/\(descriptor.fd)", error))
            }
        }
    }
}
