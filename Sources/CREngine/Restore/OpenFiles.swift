import CPlatform
import Glibc

/// Every file of a tree, opened once by us. Tasks take their copies through `Lender`; ours go before they run.
final class OpenFiles {
    private struct MappingKey: Hashable {
        var file: UInt32
        var mode: Int32
    }
    private let files: [UInt32: FileImage]
    private let tasks: [TaskImage]
    private let names: RemapNames
    private let pipes: PipeFiles
    private let inetSockets: InetSockets
    private let linkSockets: LinkSockets
    private let namespace: TreeNetwork
    private let shared: SharedMemoryFiles
    private let timers = TimerFiles()
    private let processes = ProcessFiles()
    private let given: GivenFiles
    let ofProcesses: FilesOfProcesses
    let terminals: TerminalFiles
    let notify = NotifyFiles()
    /// Ours, by file id.
    private var descriptors: [UInt32: Int32] = [:]
    private var mappings: [MappingKey: Int32] = [:]
    /// Write ends that keep named pipes open until all their ends are.
    private var fifoHolders: [UInt32: Int32] = [:]

    init(
        tree: TreeImage, names: RemapNames, pages: any PageSource, network: NetworkRestore,
        inherited: [String: Int32] = [:], givesMasters: Bool = false
    ) {
        given = GivenFiles(tree: tree, inherited: inherited)
        ofProcesses = FilesOfProcesses(tree: tree)
        terminals = TerminalFiles(
            tree: tree, outside: given.ids, givesMasters: givesMasters, paths: names.paths)
        tasks = tree.tasks
        files = Dictionary(tree.files.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        self.names = names
        pipes = PipeFiles(tree: tree)
        inetSockets = InetSockets(tree: tree, network: network)
        namespace = network.namespace
        linkSockets = LinkSockets(extras: tree.socketExtras)
        shared = SharedMemoryFiles(tree: tree, pages: pages)
    }

    deinit { closeAll() }

    /// The open file behind a descriptor, with its flags and its offset. It stays ours.
    func descriptor(of id: UInt32) throws(RestoreError) -> Int32 {
        if let known = descriptors[id] { return known }
        if let file = files[id], let stand = try given.open(file) {
            let opened = stand.release()
            descriptors[id] = opened
            return opened
        }
        let opened: Int32
        switch try content(of: id) {
        case .regular(let file): opened = try openRegular(id, file).release()
        case .pipe(let pipe): opened = try pipes.open(id, pipe).release()
        case .fifo(let fifo): opened = try openFifo(id, fifo).release()
        case .memfd(let memfd): opened = try shared.open(id, memfd).release()
        case .eventFD(let image): opened = try EventFiles.open(id, image).release()
        case .signalFD(let image): opened = try EventFiles.open(id, image).release()
        case .timerFD(let image): opened = try timers.open(id, image).release()
        case .processFD(let image): opened = try processes.open(id, image).release()
        case .namespaceFD(let image): opened = try processes.open(id, image, tasks: tasks).release()
        case .posixQueue:
            throw RestoreError("file \(id)", "is opened with its message queue and was asked for before")
        case .unixSocket, .epoll, .inotify, .fanotify:
            throw RestoreError("file \(id)", "is made by a task and was asked for before it was")
        case .inetSocket, .packetSocket, .netlinkSocket:
            opened = try namespace.inside { () throws(RestoreError) in try openSocket(id).release() }
        case .terminal(let terminal):
            guard let side = try terminals.open(id, terminal) else {
                throw RestoreError("file \(id)", "is /dev/tty, which only a task can open")
            }
            opened = side.release()
        case .unsupported(let kind): throw Self.unsupported(id, kind)
        }
        descriptors[id] = opened
        return opened
    }

    /// Does something in the network namespace of the tree, where abstract names are its own.
    func inNetwork<Value>(_ errand: () throws(RestoreError) -> Value) throws(RestoreError) -> Value {
        try namespace.inside(errand)
    }

    /// A socket is in the namespace of its maker for good.
    private func openSocket(_ id: UInt32) throws(RestoreError) -> OwnedFD {
        switch try content(of: id) {
        case .packetSocket(let socket): try linkSockets.open(id, socket)
        case .netlinkSocket(let socket): try linkSockets.open(id, socket)
        default: try inetSockets.open(id)
        }
    }

    /// Call when the processes are there, and again when their threads are.
    func know(_ tree: [StubProcess]) {
        for process in tree {
            for (thread, image) in zip(process.threads, process.image.threads) {
                processes.hosts[image.tid.rawValue] = thread.tid.rawValue
            }
        }
    }

    /// Takes over what a task made for the tree; see `TaskFiles`.
    func adopt(_ id: UInt32, _ file: consuming OwnedFD) {
        if let old = descriptors.updateValue(file.release(), forKey: id) { _ = close(old) }
    }

    /// Whether a file is made by a task; see `TaskFiles`.
    func isMadeInTask(_ id: UInt32) -> Bool {
        guard let file = files[id], given.ending(of: file) == nil else { return false }
        return TaskFiles.makes(file.content) || ofProcesses.paths[id] != nil
    }

    /// Whether a file is /dev/tty and has not been opened yet: the first task that has it opens it.
    func needsTask(_ id: UInt32) -> TerminalFileImage? {
        guard descriptors[id] == nil, case .terminal(let image)? = files[id]?.content,
            files[id].flatMap({ given.ending(of: $0) }) == nil,
            image.terminal == TerminalImage.currentIndex << 1
        else { return nil }
        return image
    }

    /// The file to be mapped, opened for reading (0), writing (1) or both (2). It stays ours.
    func mapping(of id: UInt32, mode: Int32) throws(RestoreError) -> Int32 {
        let key = MappingKey(file: id, mode: mode)
        if let known = mappings[key] { return known }
        let opened: Int32
        switch try content(of: id) {
        case .regular(let file): opened = try names.open(id, path: file.path, flags: mode).release()
        case .memfd(let memfd): opened = try shared.openForMapping(id, memfd, mode: mode).release()
        case .pipe, .fifo, .unixSocket, .inetSocket, .packetSocket, .netlinkSocket, .eventFD, .signalFD,
            .timerFD, .processFD, .namespaceFD, .epoll, .terminal, .inotify, .fanotify, .posixQueue:
            throw RestoreError("file \(id)", "cannot be mapped and is in the image")
        case .unsupported(let kind): throw Self.unsupported(id, kind)
        }
        mappings[key] = opened
        return opened
    }

    /// Shared anonymous memory that has no file entry of its own, by segment id.
    func segment(_ shmid: UInt64, size: UInt64) throws(RestoreError) -> Int32 {
        try shared.segment(shmid, size: size)
    }

    /// Path of a regular file or directory.
    func path(of id: UInt32) throws(RestoreError) -> String {
        guard case .regular(let file) = try content(of: id) else {
            throw RestoreError("file \(id)", "is no directory in the image")
        }
        return file.path
    }

    /// Opens what only messages hold, while there is time: memory files are not sealed yet.
    func openPassed(_ packets: [SocketPacketImage]) throws(RestoreError) {
        for id in packets.flatMap(\.rights) where !isMadeInTask(id) && needsTask(id) == nil {
            _ = try descriptor(of: id)
        }
    }

    /// Forbids what the image's seals forbid; no task may need more mappings after it.
    func seal() throws(RestoreError) { try shared.seal() }

    /// Sets the timer descriptors going.
    func armTimers() throws(RestoreError) { try timers.arm() }

    func closeAll() {
        processes.closeAll()
        for fd in descriptors.values { _ = close(fd) }
        for fd in mappings.values { _ = close(fd) }
        for fd in fifoHolders.values { _ = close(fd) }
        descriptors = [:]
        mappings = [:]
        fifoHolders = [:]
        pipes.closeAll()
        inetSockets.closeAll()
        shared.closeAll()
        terminals.closeAll()
    }

    private func content(of id: UInt32) throws(RestoreError) -> FileImage.Content {
        guard let file = files[id] else {
            throw RestoreError("file \(id)", "is used by the image but missing from files.img")
        }
        return file.content
    }

    private static func unsupported(_ id: UInt32, _ kind: UInt32) -> RestoreError {
        RestoreError("file \(id)", "is of kind \(FileKindName.name(kind)), which cannot be restored yet")
    }

    private func openRegular(_ id: UInt32, _ file: RegularFileImage) throws(RestoreError) -> OwnedFD {
        let opened = try names.open(id, path: file.path, flags: Self.openFlags(file.flags))
        try Self.seek(opened, to: file.position, flags: file.flags, path: file.path)
        return opened
    }

    static func seek(
        _ file: borrowing OwnedFD, to position: UInt64, flags: UInt32, path: String
    ) throws(RestoreError) {
        // All ones is "do not seek".
        if position == 0 || position == .max || flags & UInt32(O_PATH) != 0 { return }
        let fd = file.rawValue
        try RestoreError.about(path, "its offset \(position) cannot be set") { () throws(Errno) -> Void in
            try systemCall(CP_SYS_lseek, Int(fd), Int(truncatingIfNeeded: position), Int(SEEK_SET))
        }
    }

    /// Opens a named pipe; the bytes that were in it go in with the first of its ends.
    private func openFifo(_ id: UInt32, _ fifo: FifoImage) throws(RestoreError) -> OwnedFD {
        let nameID = fifo.regularFile ?? id
        guard case .regular(let file) = try content(of: nameID) else {
            throw RestoreError("named pipe \(id)", "has no path in the image")
        }
        if fifoHolders[fifo.pipe] == nil {
            let holder = try names.open(nameID, path: file.path, flags: O_RDWR | O_NONBLOCK)
            try pipes.refillFifo(fifo.pipe, holder.rawValue, path: file.path)
            fifoHolders[fifo.pipe] = holder.release()
        }
        return try names.open(nameID, path: file.path, flags: Self.openFlags(file.flags))
    }

    /// Flags for open(2) out of those that fdinfo showed: without what acts only at creation, and without O_ASYNC,
    /// which does nothing before there is an owner.
    static func openFlags(_ flags: UInt32) -> Int32 {
        var result = Int32(bitPattern: flags)
        let unnamed: Int32 = 0o20000000
        if result & unnamed != 0 { result &= ~(unnamed | O_DIRECTORY) }
        result &= ~(O_CREAT | O_EXCL | O_TRUNC | O_ASYNC | O_CLOEXEC)
        return result | O_NOCTTY
    }
}

/// Names of CRIU's descriptor kinds, for messages.
enum FileKindName {
    private static let names = [
        "undefined", "regular file", "pipe", "named pipe", "inet socket", "unix socket", "eventfd", "epoll",
        "inotify", "signalfd", "packet socket", "terminal", "fanotify", "netlink socket", "namespace", "tun",
        "external", "timerfd", "memfd", "BPF map", "pidfd",
    ]
    static func name(_ kind: UInt32) -> String {
        names.indices.contains(Int(kind)) ? names[Int(kind)] : "number \(kind)"
    }
}
