import CPlatform

// files.img: open file descriptions and the files behind mappings, exe links and directories.

extension FileImage {
    /// CRIU's number of the kind (fd_types).
    var kind: UInt32 {
        switch content {
        case .regular, .posixQueue: FD_TYPES__REG.rawValue
        case .pipe: FD_TYPES__PIPE.rawValue
        case .fifo: FD_TYPES__FIFO.rawValue
        case .memfd: FD_TYPES__MEMFD.rawValue
        case .unixSocket: FD_TYPES__UNIXSK.rawValue
        case .inetSocket: FD_TYPES__INETSK.rawValue
        case .packetSocket: FD_TYPES__PACKETSK.rawValue
        case .netlinkSocket: FD_TYPES__NETLINKSK.rawValue
        case .eventFD: FD_TYPES__EVENTFD.rawValue
        case .signalFD: FD_TYPES__SIGNALFD.rawValue
        case .timerFD: FD_TYPES__TIMERFD.rawValue
        case .processFD: FD_TYPES__PIDFD.rawValue
        case .namespaceFD: FD_TYPES__NS.rawValue
        case .epoll: FD_TYPES__EVENTPOLL.rawValue
        case .inotify: FD_TYPES__INOTIFY.rawValue
        case .fanotify: FD_TYPES__FANOTIFY.rawValue
        case .terminal: FD_TYPES__TTY.rawValue
        case .unsupported(let kind): kind
        }
    }

    func packed() throws(ImageError) -> [UInt8] {
        if case .unsupported(let kind) = content {
            throw ImageError(
                file: ImageName.files, "file \(id) is of kind \(kind), which this build cannot write")
        }
        return MessageArena.pack { arena in
            let message = arena.make(file_entry__init)
            message.pointee.type = FdTypes(kind)
            message.pointee.id = id
            switch content {
            case .regular(let file): message.pointee.reg = file.message(id: id, in: arena)
            case .pipe(let pipe): message.pointee.pipe = pipe.message(id: id, in: arena)
            case .fifo(let fifo): message.pointee.fifo = fifo.message(id: id, in: arena)
            case .memfd(let memfd): message.pointee.memfd = memfd.message(id: id, in: arena)
            case .unixSocket(let socket): message.pointee.usk = socket.message(id: id, in: arena)
            case .inetSocket(let socket): message.pointee.isk = socket.message(id: id, in: arena)
            case .packetSocket(let socket): message.pointee.psk = socket.message(id: id, in: arena)
            case .netlinkSocket(let socket): message.pointee.nlsk = socket.message(id: id, in: arena)
            case .eventFD(let event): message.pointee.efd = event.message(id: id, in: arena)
            case .signalFD(let signal): message.pointee.sgfd = signal.message(id: id, in: arena)
            case .timerFD(let timer): message.pointee.tfd = timer.message(id: id, in: arena)
            case .processFD(let process): message.pointee.pidfd = process.message(id: id, in: arena)
            case .namespaceFD(let file): message.pointee.nsf = file.message(id: id, in: arena)
            case .epoll(let epoll): message.pointee.epfd = epoll.message(id: id, in: arena)
            case .inotify(let inotify): message.pointee.ify = inotify.message(id: id, in: arena)
            case .fanotify(let fanotify): message.pointee.ffy = fanotify.message(id: id, in: arena)
            case .terminal(let terminal): message.pointee.tty = terminal.message(id: id, in: arena)
            case .posixQueue(let queue): message.pointee.reg = queue.asExternal.message(id: id, in: arena)
            case .unsupported: break
            }
            return message
        }
    }

    init(_ entry: ImageEntry) throws(ImageError) {
        self = try entry.read(file_entry__unpack) { (message) throws(ImageError) -> FileImage in
            FileImage(id: message.id, content: try Self.content(message, entry))
        }
    }

    private static func content(
        _ message: FileEntry, _ entry: ImageEntry
    ) throws(ImageError) -> FileImage.Content {
        func checked<Part>(
            _ part: UnsafeMutablePointer<Part>?, id: KeyPath<Part, UInt32>
        ) throws(ImageError) -> Part {
            guard let part = part?.pointee else {
                throw entry.error("file \(message.id) of kind \(message.type.rawValue) has no content")
            }
            guard part[keyPath: id] == message.id else {
                throw entry.error("file \(message.id) calls itself \(part[keyPath: id])")
            }
            return part
        }
        switch message.type {
        case FD_TYPES__REG:
            let file = try RegularFileImage(try checked(message.reg, id: \.id), entry)
            return PosixQueueFileImage(file).map { .posixQueue($0) } ?? .regular(file)
        case FD_TYPES__PIPE: return .pipe(PipeImage(try checked(message.pipe, id: \.id)))
        case FD_TYPES__FIFO: return .fifo(FifoImage(try checked(message.fifo, id: \.id)))
        case FD_TYPES__MEMFD: return .memfd(MemfdFileImage(try checked(message.memfd, id: \.id)))
        case FD_TYPES__UNIXSK:
            return .unixSocket(try UnixSocketImage(try checked(message.usk, id: \.id), entry))
        case FD_TYPES__INETSK:
            return .inetSocket(try InetSocketImage(try checked(message.isk, id: \.id), entry))
        case FD_TYPES__PACKETSK:
            return .packetSocket(try PacketSocketImage(try checked(message.psk, id: \.id), entry))
        case FD_TYPES__NETLINKSK:
            return .netlinkSocket(try NetlinkSocketImage(try checked(message.nlsk, id: \.id), entry))
        case FD_TYPES__EVENTFD: return .eventFD(EventFDImage(try checked(message.efd, id: \.id)))
        case FD_TYPES__SIGNALFD: return .signalFD(SignalFDImage(try checked(message.sgfd, id: \.id)))
        case FD_TYPES__TIMERFD: return .timerFD(TimerFDImage(try checked(message.tfd, id: \.id)))
        case FD_TYPES__PIDFD: return .processFD(ProcessFDImage(try checked(message.pidfd, id: \.id)))
        case FD_TYPES__NS:
            return .namespaceFD(try NamespaceFDImage(try checked(message.nsf, id: \.id), entry))
        case FD_TYPES__EVENTPOLL: return .epoll(EpollImage(try checked(message.epfd, id: \.id)))
        case FD_TYPES__INOTIFY: return .inotify(try InotifyImage(try checked(message.ify, id: \.id), entry))
        case FD_TYPES__FANOTIFY:
            return .fanotify(try FanotifyImage(try checked(message.ffy, id: \.id), entry))
        case FD_TYPES__TTY: return .terminal(TerminalFileImage(try checked(message.tty, id: \.id)))
        default: return .unsupported(kind: message.type.rawValue)
        }
    }
}

extension OwnerImage {
    func message(in arena: MessageArena) -> UnsafeMutablePointer<FownEntry> {
        let message = arena.make(fown_entry__init)
        message.pointee.uid = uid
        message.pointee.euid = euid
        message.pointee.signum = signal
        message.pointee.pid_type = kind
        message.pointee.pid = pid
        return message
    }

    init(_ message: FownEntry) {
        self.init()
        uid = message.uid
        euid = message.euid
        signal = message.signum
        kind = message.pid_type
        pid = message.pid
    }
}

extension RegularFileImage {
    fileprivate func message(id: UInt32, in arena: MessageArena) -> UnsafeMutablePointer<RegFileEntry> {
        let message = arena.make(reg_file_entry__init)
        message.pointee.id = id
        message.pointee.flags = flags
        message.pointee.pos = position
        message.pointee.fown = owner.message(in: arena)
        message.pointee.name = arena.string(path)
        if let mountID { (message.pointee.has_mnt_id, message.pointee.mnt_id) = (1, mountID) }
        if let size { (message.pointee.has_size, message.pointee.size) = (1, size) }
        if let isExternal { (message.pointee.has_ext, message.pointee.ext) = (1, isExternal ? 1 : 0) }
        if let mode { (message.pointee.has_mode, message.pointee.mode) = (1, mode) }
        (message.pointee.n_build_id, message.pointee.build_id) = (buildID.count, arena.array(buildID))
        return message
    }

    fileprivate init(_ message: RegFileEntry, _ entry: ImageEntry) throws(ImageError) {
        let path = try entry.text(message.name, "path of file \(message.id)")
        let isExternal = given(message.has_ext, message.ext != 0)
        guard path.hasPrefix("/") || isExternal == true else {
            throw entry.error("path of file \(message.id) is not absolute")
        }
        self.init(path: path)
        self.isExternal = isExternal
        flags = message.flags
        position = message.pos
        owner = OwnerImage(message.fown.pointee)
        mountID = given(message.has_mnt_id, message.mnt_id)
        size = given(message.has_size, message.size)
        mode = given(message.has_mode, message.mode)
        buildID = scalarList(message.build_id, message.n_build_id)
    }
}

extension PipeImage {
    fileprivate func message(id: UInt32, in arena: MessageArena) -> UnsafeMutablePointer<PipeEntry> {
        let message = arena.make(pipe_entry__init)
        message.pointee.id = id
        message.pointee.pipe_id = pipe
        message.pointee.flags = flags
        message.pointee.fown = owner.message(in: arena)
        return message
    }

    fileprivate init(_ message: PipeEntry) {
        self.init(pipe: message.pipe_id, flags: message.flags)
        owner = OwnerImage(message.fown.pointee)
    }
}

extension FifoImage {
    fileprivate func message(id: UInt32, in arena: MessageArena) -> UnsafeMutablePointer<FifoEntry> {
        let message = arena.make(fifo_entry__init)
        message.pointee.id = id
        message.pointee.pipe_id = pipe
        if let regularFile { (message.pointee.has_regf_id, message.pointee.regf_id) = (1, regularFile) }
        return message
    }

    fileprivate init(_ message: FifoEntry) {
        self.init(pipe: message.pipe_id, regularFile: given(message.has_regf_id, message.regf_id))
    }
}

extension MemfdFileImage {
    fileprivate func message(id: UInt32, in arena: MessageArena) -> UnsafeMutablePointer<MemfdFileEntry> {
        let message = arena.make(memfd_file_entry__init)
        message.pointee.id = id
        message.pointee.flags = flags
        message.pointee.pos = position
        message.pointee.fown = owner.message(in: arena)
        message.pointee.inode_id = inodeID
        return message
    }

    fileprivate init(_ message: MemfdFileEntry) {
        self.init(flags: message.flags, inodeID: message.inode_id)
        position = message.pos
        owner = OwnerImage(message.fown.pointee)
    }
}
