import CPlatform
import Glibc
import PolicyModel

/// Builds the images of a frozen tree, process by process: first all facts, then the contents.
struct DumpBuilder: ~Copyable {
    /// Grows by what is found in messages.
    var snapshot: Snapshot { didSet { context = nil } }
    private let allow: Allowances
    private var context: ScanContext?
    let pause: PauseClock
    private let directory: OwnedFD
    var files: FileImageTable
    private var sockets: SocketsDump
    private var numbers: KernelObjectNumbers
    /// The tree's own numbers of its tasks; nil where those are ours.
    private let pids: NamespacePIDs?
    private let ids: NamespaceIDs?
    private var cgroups: CgroupSets
    private let cgroupMode: DumpSettings.Cgroups
    private let cgroupChoice: CgroupChoice
    private var tasks: [TaskImage] = []
    private var pipeData: [PipeDataImage] = []
    private var fifoData: [PipeDataImage] = []
    private var seenPipes: Set<UInt64> = []
    private var sharedMemory: [SharedMemoryImage] = []
    var systemV = SystemVImage()
    private(set) var adjustments: [SemaphoreAdjustmentImage] = []
    var posixQueues: [PosixQueueImage] = []
    var receivers: [Receiver] = []
    var packets: [SocketPacketImage] = []
    let inFlight = InFlightFiles()
    /// Inodes of outside ends that have an entry.
    private var outsideEnds: Set<UInt32> = []
    private var terminals: TerminalDump
    private var seccomp = SeccompTable()
    private let notes: UndoNotes
    private let endings: [OpenFileID: StreamEnding]
    private var streams: [UInt32: StreamEnding] = [:]
    private(set) var pages: PagesDump

    init(
        snapshot: Snapshot, options: DumpOptions, buildIDs: BuildIDCache, links: LinkRemaps,
        notes: UndoNotes, network: NetworkDump, tracking: PageTracking, directory: borrowing OwnedFD,
        pause: PauseClock
    ) throws(DumpError) {
        let pages = try PagesDump(directory: directory, tracking: tracking, pause: pause)
        let copy = try Self.duplicate(directory)
        let own = try Self.ownCgroups()
        guard let roots = CgroupNamespaceRoots(snapshot) else {
            throw .cannotCarry("process \(snapshot.root): the roots of its cgroup namespace cannot be told")
        }
        self.snapshot = snapshot
        numbers = KernelObjectNumbers(snapshot)
        pids = NamespacePIDs(snapshot)
        ids = snapshot.userNamespace.map(NamespaceIDs.inwards)
        self.allow = options.allow
        self.pause = pause
        self.directory = copy
        self.pages = pages
        files = FileImageTable(
            ghostLimit: options.ghostLimit, buildIDs: buildIDs, links: links,
            external: options.allow.external,
            notesMounts: snapshot.mounts != nil)
        terminals = TerminalDump(snapshot, external: options.allow.external)
        endings = OutsideStreams.endings(in: ScanContext(snapshot: snapshot, allow: options.allow))
        self.notes = notes
        sockets = SocketsDump(snapshot: snapshot, network: network)
        cgroups = CgroupSets(own: own, roots: roots)
        cgroupMode = options.cgroups
        cgroupChoice = options.cgroupChoice
    }

    private static func duplicate(_ directory: borrowing OwnedFD) throws(DumpError) -> OwnedFD {
        do throws(Errno) {
            return OwnedFD(
                taking: Int32(try systemCall(CP_SYS_fcntl, Int(directory.rawValue), Int(F_DUPFD_CLOEXEC), 3)))
        } catch {
            throw .image("the image directory", error)
        }
    }

    /// Takes in one process; contents come later.
    mutating func add(
        _ remote: RemoteFacts, _ process: FrozenProcess
    ) throws(DumpError) {
        try pause.check()
        guard let facts = snapshot.task(process.pid) else {
            throw .environment("process \(process.pid) was frozen and is not in /proc")
        }
        if case .zombie(let status) = facts.state {
            tasks.append(TaskAssembler.zombie(facts, status: status))
            return
        }
        guard let exe = facts.exe, let cwd = facts.cwd, let root = facts.rootDirectory else {
            throw .environment(
                "process \(facts.pid): its exe, cwd or root cannot be read (CAP_SYS_PTRACE is needed)")
        }
        if let refusal = remote.refusals.first { throw .cannotCarry("process \(facts.pid): \(refusal)") }
        adjustments += remote.adjustments
        let assembler = TaskAssembler(facts: facts, frozen: process, remote: remote)
        var task = try assembler.assemble { cgroups.number(of: $0) }
        for groups in facts.threads.compactMap(\.cgroups) {
            cgroups.note(thread: groups, process: facts.cgroups)
        }
        seccomp.add(remote.seccompFilters, to: &task)
        let exeFile = try id(exe, "/proc/\(facts.pid)/exe")
        var memory = assembler.memory(exeFile: exeFile)
        memory.areas = try AreaAssembler(snapshot: snapshot, pid: facts.pid).assemble(
            facts.areas, files: &files)
        memory.aioRings = memory.areas.filter { $0.status.contains(.aioRing) }.map {
            AsyncRingImage(address: $0.start, length: UInt32(truncatingIfNeeded: $0.end - $0.start))
        }
        for place in memory.areas.indices {
            memory.areas[place].memoryPolicy = remote.areaPolicies[memory.areas[place].start]
        }
        task.descriptors = try descriptors(facts)
        task.fs = FilesystemImage(
            cwdFile: try files.id(
                ofDirectory: cwd.path, facts: cwd.facts, reach: cwd.reach, content: "/proc/\(facts.pid)/cwd"),
            rootFile: try files.id(
                ofDirectory: root.path, facts: root.facts, reach: root.reach,
                content: "/proc/\(facts.pid)/root"),
            umask: facts.umask)
        task.ids = numbers.ids(of: facts)
        task.memory = memory
        if task.parent != facts.parent || facts.pid == snapshot.root { task.parent = PID(0) }
        tasks.append(task)
    }

    /// Messages, memory and deleted files; the tree is still stopped.
    mutating func copyContents(
        _ journal: borrowing UndoJournal, _ kernel: KernelNotes
    ) throws(DumpError) {
        try takeQueues(journal, kernel)
        try files.completeEpollSets(snapshot)
        try terminals.checkSessions()
        try terminals.copyUnread(notes)
        for place in tasks.indices {
            guard let areas = tasks[place].memory?.areas else { continue }
            let pid = tasks[place].pid
            let shared = snapshot.task(pid)?.areas.filter(\.hasSharedPages).map { $0.start..<$0.end } ?? []
            let name = ImageName.pagemap(pids?.number(pid) ?? pid)
            tasks[place].memory?.pages = try pages.dump(pid, named: name, areas: areas, shared: shared)
            // CRIU has them behind all areas.
            tasks[place].memory?.areas += pages.guards.map {
                AreaImage(start: $0.start, end: $0.end, protection: 0, flags: 0, status: .guardRegion)
            }
        }
        for (inode, path) in zip(files.memfds, files.memfdContents) where inode.size > 0 {
            let pagemap = try pages.dumpShared(
                path: path, size: inode.size, shmid: UInt64(inode.shmid))
            sharedMemory.append(SharedMemoryImage(shmid: UInt64(inode.shmid), pages: pagemap))
        }
        try copySegments()
        try copyPosixQueues(kernel)
        for ghost in files.ghosts {
            try pause.check()
            try copy(ghost)
        }
        if let survey = try NamespacesDump.survey(of: snapshot, allow) {
            try pause.check()
            try MountContents.write(survey, to: directory)
        }
    }

    /// The contents of a segment, read through one of the kernel's links to it, and the size of its pages.
    mutating func copySegment(_ place: Int, _ path: String) throws(DumpError) {
        do throws(Errno) {
            let file = try OwnedFD.open(path, O_RDONLY)
            systemV.segments[place].hugePages = try HugeTLB.pageSize(of: file.rawValue).map {
                HugeTLB.segmentBit | HugeTLB.sizeBits($0)
            }
        } catch {
            throw .image("shared memory \(path)", error)
        }
        let segment = systemV.segments[place]
        let shmid = UInt64(segment.object.id)
        let pagemap = try pages.dumpShared(path: path, size: segment.roomInPages, shmid: shmid)
        sharedMemory.append(SharedMemoryImage(shmid: shmid, pages: pagemap))
    }

    /// The whole image set but for contents.
    func finish(clocks: ClockImage, runID: String, network: NetworkDump) throws(DumpError) -> TreeImage {
        var inventory = InventoryImage(rootIDs: KernelObjectIDs(), runID: runID)
        inventory.networkLockMethod = network.method
        var tree = TreeImage(
            inventory: inventory, tasks: tasks,
            files: files.files)
        tree.remaps = files.remaps
        tree.ghosts = files.ghosts.map(\.image)
        tree.pipeData = pipeData
        tree.fifoData = fifoData
        tree.socketPackets = packets
        tree.memfds = files.memfds
        tree.terminals = terminals.images
        tree.streams = streams
        if allow.fileLocks != .deny {
            tree.fileLocks = snapshot.locks.compactMap { FileLockImage($0) }
        }
        tree.sharedMemory = sharedMemory
        tree.systemV = systemV
        tree.posixQueues = posixQueues
        tree.socketExtras = files.socketExtras
        tree.tcpStreams = sockets.streams
        tree.cgroups = cgroups.image(cgroupMode, cgroupChoice)
        tree.seccompFilters = seccomp.filters
        if let root = snapshot.task(snapshot.root), root.sid != root.pid,
            snapshot.outsideLeaders[root.sid]?.isAlive == false
        {
            tree.deadSession = root.sid
        }
        tree.clocks = clocks
        tree.namespaces = try NamespacesDump.image(of: snapshot, allow)
        var numbers = numbers
        try NamespacesDump.addNested(to: &tree.namespaces, of: snapshot) { numbers.namespace($0, of: $1) }
        if let namespace = network.namespace {
            tree.namespaces.network = namespace.image
            for place in tree.files.indices {
                tree.files[place].content.setNetworkNamespace(namespace.number)
            }
        }
        if let ids, let facts = snapshot.userNamespace { tree = ids.renumbered(tree, facts) }
        return pids?.renumbered(tree) ?? tree
    }

    private mutating func id(_ link: FileLink, _ path: String) throws(DumpError) -> UInt32 {
        try files.id(ofPlain: link.path, facts: link.facts, reach: link.reach, content: path)
    }

    private mutating func descriptors(_ facts: TaskFacts) throws(DumpError) -> [DescriptorImage] {
        if facts.descriptors.isEmpty { return [] }
        let pidfd = try openPidFD(facts.pid)
        var images: [DescriptorImage] = []
        for descriptor in facts.descriptors {
            let id = try fileID(
                of: snapshot[descriptor.file], pidfd: pidfd.rawValue, descriptor: descriptor.fd,
                holder: facts.pid)
            images.append(
                DescriptorImage(fd: descriptor.fd, file: id, flags: descriptor.closesOnExec ? 1 : 0))
        }
        return images
    }

    /// The number of an open file in the images; its state is read when it is met first. `descriptor` is its number in
    /// the table of `holder`, whom `pidfd` names.
    mutating func fileID(
        of file: OpenFile, pidfd: Int32, descriptor: Int32, holder: PID
    ) throws(DumpError) -> UInt32 {
        let owner: OwnerImage
        var event: FileImage.Content?
        do throws(Errno) {
            owner = try FileOwner.read(pidfd: pidfd, descriptor: descriptor)
            try peek(file, pidfd, descriptor)
            if files.known(file) == nil {
                event = try EventObjects(snapshot: snapshot, pidfd: pidfd, descriptor: descriptor).content(
                    of: file, owner: owner)
            }
        } catch {
            if error == .notSupported {
                let object = FindingObject(pid: holder, fd: descriptor, inode: file.inode)
                throw .found(Finding(.packetPipe, object, "\(file.link) with unread packets"))
            }
            throw .task(holder, "fd \(descriptor) (\(file.link)) cannot be examined", error)
        }
        try refuse(owner, of: file, holder, descriptor)
        if let known = files.known(file) { return known }
        if let socket = UnixSocket.recognise(file, in: snapshot) {
            return try unixSocket(file, socket, owner)
        }
        if let socket = try sockets.read(
            file, snapshot.sockets[file.inode], pidfd: pidfd, holder, descriptor, owner: owner)
        {
            return files.add(socket, of: file)
        }
        if let state = MessageQueue.recognise(file, in: snapshot), !file.isPathOnly, !state.isMounted {
            guard let place = state.place else {
                throw .cannotCarry(
                    "process \(holder): fd \(descriptor) is a message queue outside of the tree")
            }
            var image = PosixQueueFileImage(
                queue: UInt32(place + 1), flags: file.info.flags & ~DescriptorInfo.closeOnExec)
            image.owner = owner
            return files.id(of: file, .posixQueue(image))
        }
        if let state = NamespaceFD.recognise(file, in: snapshot) {
            guard let member = state.member(in: snapshot),
                let number = numbers.namespace(state.kind, of: member)
            else {
                throw .cannotCarry(
                    "process \(holder): fd \(descriptor) is of a \(state.kind.name) namespace in which nobody of the tree is"
                )
            }
            return files.id(
                of: file,
                .namespaceFD(
                    NamespaceFDImage(flags: file.info.flags, kind: state.kind, namespace: number)))
        }
        if let event {
            if allow.fsnotify == .deny,
                snapshot.watches[file.id]?.watches.contains(where: { !$0.isFound }) == true
            {
                throw .cannotCarry(
                    "process \(holder): fd \(descriptor) watches what no path leads to; allow: {fsnotify: drop}"
                )
            }
            return files.id(of: file, event)
        }
        let side = try terminals.id(of: file, holder, descriptor, pidfd: pidfd)
        let terminal = side.flatMap { id in terminals.images.first { $0.id == id } }
        var named = file
        if !EvasiveDevice.allows(allow.evasiveDevices, file) { named.otherName = nil }
        // Where it is by now is a matter of the restore.
        if case .device? = endings[file.id] { named.otherName = file.link }
        let id = try files.id(of: named, owner: owner, terminal: terminal)
        if let ending = endings[file.id] { streams[id] = ending }
        return id
    }

    /// Refuses an owner (F_SETOWN) that would be somebody else after a restore, and directory watches of F_NOTIFY,
    /// which show by the owner alone.
    private func refuse(_ owner: OwnerImage, of file: OpenFile, _ pid: PID, _ fd: Int32) throws(DumpError) {
        if owner.pid == 0 { return }
        let object = FindingObject(pid: pid, fd: fd, inode: file.inode)
        if file.facts?.type == .directory { throw .found(Finding(.directoryWatch, object, file.link)) }
        let id = Int32(truncatingIfNeeded: owner.pid)
        let isInside: Bool =
            switch owner.kind {
            case 0: snapshot.tasks.contains { $0.threads.contains { $0.tid == TID(id) } }
            case 1: snapshot.task(PID(id)) != nil
            default: snapshot.tasks.contains { $0.pgid == PID(id) }
            }
        if !isInside { throw .found(Finding(.signalOwner, object, "\(file.link), signals to \(id)")) }
    }

    /// The rules' view of the tree, made again only when the tree has grown.
    mutating func scanContext() -> ScanContext {
        if let context { return context }
        let made = ScanContext(snapshot: snapshot, allow: allow)
        context = made
        return made
    }

    private mutating func unixSocket(
        _ file: OpenFile, _ facts: SocketFacts, _ owner: OwnerImage
    ) throws(DumpError) -> UInt32 {
        let context = scanContext()
        let socket: OwnedFD
        let extras: SocketExtras
        do throws(Errno) {
            let copy = try duplicate(file)
            extras = try sockets.extras(ofUnix: copy.rawValue, type: facts.type)
            socket = copy
        } catch {
            throw .task(file.pid, "fd \(file.fd) (\(file.link)) cannot be examined", error)
        }
        var image = try UnixSocketReader(context: context).read(file, facts, socket.rawValue)
        image.owner = owner
        image.networkNamespace = KernelObjectIDs().netNS
        // CRIU resolves outside ends in the order of the file, and not when they come after their sockets.
        if case .outside = UnixPeer(of: facts, in: context), image.peer != 0,
            outsideEnds.insert(image.peer).inserted
        {
            files.addUnheld(.unixSocket(UnixSocketReader.outsideEnd(of: facts)))
        }
        let id = files.add(SocketsDump.Row(content: .unixSocket(image), extras: extras), of: file)
        if let ending = endings[file.id] { streams[id] = ending }
        receivers.append(Receiver(id: id, file: file, facts: facts))
        return id
    }

    func openPidFD(_ pid: PID) throws(DumpError) -> OwnedFD {
        do throws(Errno) {
            return OwnedFD(taking: Int32(try systemCall(CP_SYS_pidfd_open, Int(pid.rawValue), 0)))
        } catch {
            throw .task(pid, "no pidfd of it can be had", error)
        }
    }

    /// Unread bytes of each pipe once, by whichever end comes first. Of one without a name a read end alone has any.
    private mutating func peek(_ file: OpenFile, _ pidfd: Int32, _ descriptor: Int32) throws(Errno) {
        let hasName = !file.link.hasPrefix("pipe:[")
        guard file.facts?.type == .fifo, !file.isPathOnly, hasName || file.canRead,
            seenPipes.insert(file.inode).inserted
        else { return }
        let contents = try PipeContents.peek(pidfd: pidfd, descriptor: descriptor)
        let data = PipeDataImage(
            pipe: UInt32(truncatingIfNeeded: file.inode), bytes: contents.bytes, capacity: contents.capacity)
        if hasName { fifoData.append(data) } else { pipeData.append(data) }
    }

    private func copy(_ ghost: FileImageTable.Ghost) throws(DumpError) {
        var content: Int32?
        do throws(Errno) {
            if ghost.image.isRegular {
                content = try OwnedFD.open(ghost.content, O_RDONLY | O_NONBLOCK | O_NOATIME).release()
            }
        } catch {
            throw .image("the deleted file behind \(ghost.content)", error)
        }
        defer { if let content { _ = close(content) } }
        do throws(ImageError) {
            try GhostWriter.write(
                ids?.renumbered(ghost.image) ?? ghost.image, contentFD: content, to: directory)
        } catch {
            throw .imageFormat("\(error)")
        }
    }

    private static func ownCgroups() throws(DumpError) -> [CgroupRow] {
        let bytes: [UInt8]
        do throws(Errno) {
            bytes = try OwnedFD.open("/proc/self/cgroup", O_RDONLY).readToEnd()
        } catch {
            throw .environment("/proc/self/cgroup cannot be read: \(error)")
        }
        do throws(ProcFormatError) {
            return try CgroupRow.parse(bytes)
        } catch {
            throw .environment("\(error)")
        }
    }
}
