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
        /// More mappings than this in one running process, and smaps is not read: the kernel would walk its page
        /// tables, and keep it from mapping meanwhile.
        package var areaLimit: Int
        /// Whether descriptors of other processes are looked through for far ends of pipes and sockets.
        package var findsOutsideHolders: Bool
        package static let live = Scope(isFrozen: false, areaLimit: 8192, findsOutsideHolders: true)
        package static let frozen = Scope(isFrozen: true, areaLimit: .max, findsOutsideHolders: true)
    }

    private let scope: Scope
    private var snapshot: Snapshot
    private var paths = PathCheck()
    private var openFiles = OpenFileTable()
    private var mappedFiles: [MappedFileKey: MappedFileID] = [:]
    private var fileSystems: [Int32: String] = [:]
    /// numa_maps walks all page tables; where there is one node only, no policy has an effect.
    private var hasSeveralNodes = false
    private var shared:
        (
            files: KcmpClasses<PID>, memory: KcmpClasses<PID>, fileSystem: KcmpClasses<PID>,
            signals: KcmpClasses<PID>
        ) = (.init(.files), .init(.memory), .init(.fileSystem), .init(.signalHandlers))

    private struct MappedFileKey: Hashable {
        var device: DeviceNumber
        var inode: UInt64
        var name: String
    }

    /// Looks at a process and all that descend from it.
    ///
    /// Throws where the root is gone, or /proc is not readable or not understood. Anything that vanishes below the
    /// root is an event of the snapshot.
    package static func collect(root: PID, scope: Scope) throws(CollectorError) -> Snapshot {
        var collector = Collector(root: root, scope: scope)
        try collector.prepare()
        try collector.visit(root, expectedParent: nil)
        guard !collector.snapshot.tasks.isEmpty else { throw .noSuchProcess(root) }
        collector.finish()
        return collector.snapshot
    }

    private init(root: PID, scope: Scope) {
        self.scope = scope
        snapshot = Snapshot(collector: PID(getpid()), root: root, isFrozen: scope.isFrozen)
    }

    // MARK: Before and after

    private mutating func prepare() throws(CollectorError) {
        do throws(Errno) {
            let own = try ProcDirectory.open("/proc/self")
            snapshot.ownNamespaces = Self.namespaces(own)
            snapshot.sharedMemoryDevice = try Self.sharedMemoryDevice()
            hasSeveralNodes = Self.hasSeveralNodes()
        } catch {
            throw .unreadable(path: "/proc/self", errno: error)
        }
    }

    private mutating func finish() {
        snapshot.openFiles = openFiles.files
        for place in snapshot.openFiles.indices {
            snapshot.openFiles[place].fileSystem = fileSystems[snapshot.openFiles[place].info.mount]
        }
        snapshot.sockets = SocketScan.facts(
            of: snapshot.openFiles,
            isOurNetwork: snapshot.tasks.first?.namespaces.net == snapshot.ownNamespaces.net)
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

    /// Whether memory can come from more than one node; false for a kernel without NUMA.
    private static func hasSeveralNodes() -> Bool {
        let nodes = try? OwnedFD.open("/sys/devices/system/node/possible", O_RDONLY).readToEnd()
        return nodes.map { line($0) != "0" } ?? false
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
                snapshot.outsideLeaders[leader] = OutsideProcess(
                    pid: leader, comm: facts?.comm ?? "", isAlive: facts != nil)
            }
        }
    }

    // MARK: Tasks

    private mutating func visit(_ pid: PID, expectedParent: PID?) throws(CollectorError) {
        var pending: [(pid: PID, parent: PID?)] = [(pid, expectedParent)]
        while let next = pending.popLast() {
            let children: [PID]
            do throws(TaskLookError) {
                children = try look(next.pid, expectedParent: next.parent)
            } catch {
                switch error {
                case .vanished:
                    snapshot.events.append(.processVanished(next.pid))
                    continue
                case .format(let error): throw .malformed(pid: next.pid, error: error)
                case .denied(let what, let errno):
                    throw .unreadable(path: "/proc/\(next.pid)/\(what)", errno: errno)
                }
            }
            for child in children.sorted(by: >) { pending.append((child, next.pid)) }
        }
    }

    /// Takes one process in and answers its children.
    private mutating func look(_ pid: PID, expectedParent: PID?) throws(TaskLookError) -> [PID] {
        let directory = try Self.directory(of: pid)
        let stat: TaskStat = try Self.parse("stat", directory) { (bytes) throws(ProcFormatError) in
            try TaskStat(parsing: bytes)
        }
        if let expectedParent, stat.parent != expectedParent.rawValue { throw .vanished }
        var task = TaskFacts(stat: stat)
        task.status = try Self.parse("status", directory) { (bytes) throws(ProcFormatError) in
            try TaskStatus(parsing: bytes)
        }
        if task.isZombie {
            let children = task.leaderHasEnded ? try Self.children(directory) : []
            snapshot.tasks.append(task)
            return children
        }
        if task.isKernelThread {
            snapshot.tasks.append(task)
            return []
        }
        if case .uninterruptible = task.state {
            task.state = .uninterruptible(where: Self.text("wchan", directory) ?? "")
        }
        try readProcess(&task, directory)
        let children = try readThreads(&task, directory)
        try readSharing(&task)
        try readAreas(&task, directory)
        try readDescriptors(&task, directory)
        snapshot.tasks.append(task)
        return children
    }

    private mutating func readProcess(
        _ task: inout TaskFacts, _ directory: borrowing ProcDirectory
    ) throws(TaskLookError) {
        task.umask = task.status.umask ?? 0
        task.residentBytes = task.status.residentBytes ?? 0
        task.namespaces = Self.namespaces(directory)
        let isOurView = task.namespaces.mount == snapshot.ownNamespaces.mount
        task.exe = link("exe", directory, task.pid, isOurView)
        task.cwd = link("cwd", directory, task.pid, isOurView)
        task.rootDirectory = link("root", directory, task.pid, isOurView)
        task.arguments = try Self.bytes("cmdline", directory).split(
            separator: 0, omittingEmptySubsequences: false
        ).dropLast().map { String(decoding: $0, as: UTF8.self) }
        task.watchdog = WatchdogRequest.of(
            task.pid.rawValue, environment: try Self.bytes("environ", directory))
        task.personality = note("personality", directory, task.pid) ?? ""
        task.oomScoreAdjust = Self.text("oom_score_adj", directory).flatMap { Int32($0) } ?? 0
        task.coredumpFilter = Self.text("coredump_filter", directory).flatMap { UInt32($0, radix: 16) }
        task.loginuid = Self.text("loginuid", directory).flatMap { UInt32($0) } ?? .max
        task.auxv = try Self.parse("auxv", directory) { (bytes) throws(ProcFormatError) in
            try AuxiliaryVector.parse(bytes)
        }
        task.limits = try Self.parse("limits", directory) { (bytes) throws(ProcFormatError) in
            try ResourceLimit.parse(bytes)
        }
        task.cgroups = try Self.parse("cgroup", directory) { (bytes) throws(ProcFormatError) in
            try CgroupRow.parse(bytes)
        }
        task.posixTimers = try Self.parse("timers", directory) { (bytes) throws(ProcFormatError) in
            try TimerRow.parse(bytes)
        }
        if fileSystems.isEmpty || !isOurView, let bytes = try? directory.read("mountinfo"),
            let mounts = try? MountRow.parse(bytes)
        {
            for mount in mounts { fileSystems[mount.id] = mount.fileSystem }
        }
    }

    /// Reads all threads; answers the children of all of them.
    private mutating func readThreads(
        _ task: inout TaskFacts, _ directory: borrowing ProcDirectory
    ) throws(TaskLookError) -> [PID] {
        let tasks = try Self.directory("task", directory)
        let ids = try Self.numbers(".", tasks)
        var children: [PID] = []
        let leader = task.pid.rawValue
        for id in ids.sorted(by: { ($0 == leader ? 0 : 1, $0) < ($1 == leader ? 0 : 1, $1) }) {
            do throws(TaskLookError) {
                let thread = try Self.directory("\(id)", tasks)
                task.threads.append(try readThread(task, thread))
                for word in try Self.bytes("children", thread)[...].words {
                    if let number = word.decimal { children.append(PID(Int32(truncatingIfNeeded: number))) }
                }
            } catch {
                guard case .vanished = error else { throw error }
                snapshot.events.append(.threadVanished(task.pid, TID(id)))
            }
        }
        if task.threads.first?.tid != task.pid.leader { throw .vanished }
        return children
    }

    private func readThread(
        _ task: TaskFacts, _ directory: borrowing ProcDirectory
    ) throws(TaskLookError) -> ThreadFacts {
        let stat: TaskStat = try Self.parse("stat", directory) { (bytes) throws(ProcFormatError) in
            try TaskStat(parsing: bytes)
        }
        var thread = ThreadFacts(stat: stat)
        thread.status = try Self.parse("status", directory) { (bytes) throws(ProcFormatError) in
            try TaskStatus(parsing: bytes)
        }
        if thread.state == UInt8(ascii: "D") {
            thread.uninterruptibleIn = Self.text("wchan", directory) ?? ""
        }
        thread.affinity = Self.affinity(thread.tid)
        if let scheduling = SchedulingAttributes.of(thread.tid) {
            if scheduling.resetsOnFork { thread.schedulingPolicy |= SchedulingAttributes.resetOnFork }
            thread.slice = scheduling.slice
        }
        thread.ioPriority = IOPriority.of(thread.tid)
        if thread.tid == task.pid.leader { return thread }
        let cgroups = try Self.parse("cgroup", directory) { (bytes) throws(ProcFormatError) in
            try CgroupRow.parse(bytes)
        }
        if cgroups != task.cgroups { thread.cgroups = cgroups }
        let namespaces = Self.namespaces(directory)
        if namespaces != task.namespaces { thread.namespaces = namespaces }
        let id = PID(thread.tid.rawValue)
        thread.sharesFilesWithLeader = Self.isSame(.files, id, task.pid)
        thread.sharesFileSystemWithLeader = Self.isSame(.fileSystem, id, task.pid)
        return thread
    }

    private mutating func readSharing(_ task: inout TaskFacts) throws(TaskLookError) {
        let pid = task.pid
        do throws(Errno) {
            task.sharing.files = try shared.files.value(pid) { pid }
            task.sharing.memory = try shared.memory.value(pid) { pid }
            task.sharing.fileSystem = try shared.fileSystem.value(pid) { pid }
            task.sharing.signalHandlers = try shared.signals.value(pid) { pid }
        } catch {
            // A task of an earlier class may have gone, so this one is asked no more.
            if error == .noProcess { throw .vanished }
            snapshot.events.append(.unreadable(pid, what: "kcmp", error))
        }
    }

    // MARK: Memory

    private mutating func readAreas(
        _ task: inout TaskFacts, _ directory: borrowing ProcDirectory
    ) throws(TaskLookError) {
        // Of a running process the number of areas is asked first, which costs little beside smaps.
        var tooMany = false
        if !scope.isFrozen {
            tooMany = Self.lines(try Self.bytes("maps", directory)) > scope.areaLimit
        }
        let rows = try Self.parse(tooMany ? "maps" : "smaps", directory) { (bytes) throws(ProcFormatError) in
            try AreaList.parse(bytes)
        }
        if hasSeveralNodes && rows.count <= scope.areaLimit {
            task.nodePolicies = try Self.parse("numa_maps", directory) { (bytes) throws(ProcFormatError) in
                try NodePolicy.parse(bytes)
            }
        }
        let isOurView = task.namespaces.mount == snapshot.ownNamespaces.mount
        task.areas.reserveCapacity(rows.count)
        for row in rows {
            var file: MappedFile?
            if row.inode != 0 { file = mappedFile(row, task.pid, directory, isOurView) }
            let kind = AreaKind(
                row: row, facts: file?.facts, sharedMemoryDevice: snapshot.sharedMemoryDevice)
            task.areas.append(
                VMA(
                    start: row.start, end: row.end, protection: row.protection, isShared: row.isShared,
                    offset: row.offset, name: file == nil ? row.name : "", file: file?.id, flags: row.flags,
                    kind: kind))
        }
    }

    private mutating func mappedFile(
        _ row: AreaRow, _ pid: PID, _ directory: borrowing ProcDirectory, _ isOurView: Bool
    ) -> MappedFile {
        let key = MappedFileKey(device: row.device, inode: row.inode, name: row.name)
        if let known = mappedFiles[key] { return snapshot[known] }
        let range = "map_files/\(String(row.start, radix: 16))-\(String(row.end, radix: 16))"
        var facts: FileFacts?
        do throws(Errno) {
            facts = try directory.facts(range)
        } catch {
            // The area, or the process with it, may have gone from a running tree.
            if error != .noEntry && (scope.isFrozen || error != .noProcess) {
                snapshot.events.append(.unreadable(pid, what: range, error))
            }
        }
        let answer = paths.answer(row.name, facts, isOurView: isOurView)
        let file = MappedFile(
            id: MappedFileID(rawValue: snapshot.mappedFiles.count), path: answer.path, device: row.device,
            inode: row.inode, facts: facts, reach: answer.reach, pid: pid, start: row.start, end: row.end)
        mappedFiles[key] = file.id
        snapshot.mappedFiles.append(file)
        return file
    }

    // MARK: Descriptors

    private mutating func readDescriptors(
        _ task: inout TaskFacts, _ directory: borrowing ProcDirectory
    ) throws(TaskLookError) {
        let links = try Self.directory("fd", directory)
        let infos = try Self.directory("fdinfo", directory)
        let numbers = try Self.numbers(".", links)
        let isOurView = task.namespaces.mount == snapshot.ownNamespaces.mount
        for fd in numbers {
            do throws(Errno) {
                let name = "\(fd)"
                let link = try links.link(name)
                let bytes = try infos.read(name)
                let facts: FileFacts?
                do throws(Errno) {
                    facts = try links.facts(name)
                } catch {
                    snapshot.events.append(.unreadable(task.pid, what: "fd/\(fd)", error))
                    facts = nil
                }
                var info: DescriptorInfo
                do throws(ProcFormatError) {
                    info = try DescriptorInfo(parsing: bytes)
                } catch {
                    throw Errno.noEntry
                }
                let closes = info.flags & DescriptorInfo.closeOnExec != 0
                info.flags &= ~DescriptorInfo.closeOnExec
                let answer = paths.answer(link, facts, isOurView: isOurView)
                let file = OpenFile(
                    id: OpenFileID(rawValue: 0), link: answer.path, facts: facts, reach: answer.reach,
                    info: info, pid: task.pid, fd: fd)
                let id = try openFiles.id(of: file, checksPosition: scope.isFrozen)
                task.descriptors.append(Descriptor(fd: fd, closesOnExec: closes, file: id))
            } catch {
                snapshot.events.append(
                    error == .noEntry || error == .badDescriptor
                        ? .descriptorClosed(task.pid, fd)
                        : .unreadable(task.pid, what: "fd/\(fd)", error))
            }
        }
    }

    // MARK: Small files

    private mutating func link(
        _ name: String, _ directory: borrowing ProcDirectory, _ pid: PID, _ isOurView: Bool
    ) -> FileLink? {
        do throws(Errno) {
            let text = try directory.link(name)
            let facts = try directory.facts(name)
            let answer = paths.answer(text, facts, isOurView: isOurView)
            return FileLink(path: answer.path, facts: facts, reach: answer.reach)
        } catch {
            snapshot.events.append(.unreadable(pid, what: name, error))
            return nil
        }
    }

    /// A file of one line; where it cannot be read that is an event.
    private mutating func note(_ name: String, _ directory: borrowing ProcDirectory, _ pid: PID) -> String? {
        do throws(Errno) {
            return Self.line(try directory.read(name))
        } catch {
            snapshot.events.append(.unreadable(pid, what: name, error))
            return nil
        }
    }

}
