/// One row of `files.img`: an open file description, or a file behind a mapping, an exe link or a directory.
package struct FileImage: Equatable, Sendable {
    /// On the heap: images of sockets are large, and lists of files are gone through often.
    package indirect enum Content: Equatable, Sendable {
        case regular(RegularFileImage)
        case pipe(PipeImage)
        case fifo(FifoImage)
        case memfd(MemfdFileImage)
        case unixSocket(UnixSocketImage)
        case inetSocket(InetSocketImage)
        case packetSocket(PacketSocketImage)
        case netlinkSocket(NetlinkSocketImage)
        case eventFD(EventFDImage)
        case signalFD(SignalFDImage)
        case timerFD(TimerFDImage)
        case processFD(ProcessFDImage)
        case namespaceFD(NamespaceFDImage)
        case epoll(EpollImage)
        case inotify(InotifyImage)
        case fanotify(FanotifyImage)
        case terminal(TerminalFileImage)
        case posixQueue(PosixQueueFileImage)
        /// A kind that this build reads but cannot restore; `kind` is the fd_types number.
        case unsupported(kind: UInt32)
    }
    /// Unique over all kinds.
    package var id: UInt32
    package var content: Content
    package init(id: UInt32, content: Content) {
        self.id = id
        self.content = content
    }
}

extension FileImage.Content {
    /// Who gets its signals, and its open flags; nil for kinds that keep no owner.
    package var ownership: (owner: OwnerImage, flags: UInt32)? {
        switch self {
        case .regular(let image): (image.owner, image.flags)
        case .pipe(let image): (image.owner, image.flags)
        case .memfd(let image): (image.owner, image.flags)
        case .unixSocket(let image): (image.owner, image.flags)
        case .inetSocket(let image): (image.owner, image.flags)
        case .packetSocket(let image): (image.owner, image.flags)
        case .netlinkSocket(let image): (image.owner, image.flags)
        case .eventFD(let image): (image.owner, image.flags)
        case .signalFD(let image): (image.owner, image.flags)
        case .timerFD(let image): (image.owner, image.flags)
        case .processFD(let image): (image.owner, image.flags)
        case .epoll(let image): (image.owner, image.flags)
        case .inotify(let image): (image.owner, image.flags)
        case .fanotify(let image): (image.owner, image.flags)
        case .terminal(let image): (image.owner, image.flags)
        case .posixQueue(let image): (image.owner, image.flags)
        case .fifo, .namespaceFD, .unsupported: nil
        }
    }

    /// Of a socket; other files are in none.
    mutating func setNetworkNamespace(_ number: UInt32) {
        switch self {
        case .unixSocket(var image):
            image.networkNamespace = number
            self = .unixSocket(image)
        case .inetSocket(var image):
            image.networkNamespace = number
            self = .inetSocket(image)
        case .packetSocket(var image):
            image.networkNamespace = number
            self = .packetSocket(image)
        case .netlinkSocket(var image):
            image.networkNamespace = number
            self = .netlinkSocket(image)
        default: break
        }
    }

    /// Does nothing to kinds that keep no owner.
    package mutating func setOwner(_ owner: OwnerImage) {
        switch self {
        case .regular(var image):
            image.owner = owner
            self = .regular(image)
        case .pipe(var image):
            image.owner = owner
            self = .pipe(image)
        case .memfd(var image):
            image.owner = owner
            self = .memfd(image)
        case .unixSocket(var image):
            image.owner = owner
            self = .unixSocket(image)
        case .inetSocket(var image):
            image.owner = owner
            self = .inetSocket(image)
        case .packetSocket(var image):
            image.owner = owner
            self = .packetSocket(image)
        case .netlinkSocket(var image):
            image.owner = owner
            self = .netlinkSocket(image)
        case .eventFD(var image):
            image.owner = owner
            self = .eventFD(image)
        case .signalFD(var image):
            image.owner = owner
            self = .signalFD(image)
        case .timerFD(var image):
            image.owner = owner
            self = .timerFD(image)
        case .processFD(var image):
            image.owner = owner
            self = .processFD(image)
        case .epoll(var image):
            image.owner = owner
            self = .epoll(image)
        case .inotify(var image):
            image.owner = owner
            self = .inotify(image)
        case .fanotify(var image):
            image.owner = owner
            self = .fanotify(image)
        case .terminal(var image):
            image.owner = owner
            self = .terminal(image)
        case .posixQueue(var image):
            image.owner = owner
            self = .posixQueue(image)
        case .fifo, .namespaceFD, .unsupported: break
        }
    }
}

/// fcntl(2) F_SETOWN and F_SETSIG state; pid 0 is no owner.
package struct OwnerImage: Equatable, Sendable {
    package var uid: UInt32 = 0
    package var euid: UInt32 = 0
    package var signal: UInt32 = 0
    /// 0 thread, 1 process, 2 process group.
    package var kind: UInt32 = 0
    package var pid: UInt32 = 0
    package init() {}
}

/// Regular files, directories and memory devices; also exe, cwd, root and mapped files (flags and position 0).
package struct RegularFileImage: Equatable, Sendable {
    /// Open flags without O_CLOEXEC, as fdinfo shows them.
    package var flags: UInt32 = 0
    /// Bytes; all ones is "do not seek".
    package var position: UInt64 = 0
    package var owner = OwnerImage()
    /// Absolute, without " (deleted)".
    package var path: String
    /// Regular files only, not for append-only writers.
    package var size: UInt64?
    /// Full st_mode.
    package var mode: UInt32?
    /// Id of the mount; only in sets with a mount namespace.
    package var mountID: Int32?
    /// True when `path` names a file that the restore is given from outside.
    package var isExternal: Bool?
    /// ELF build id, little-endian words, zero padded.
    package var buildID: [UInt32] = []
    package init(path: String) { self.path = path }
}

/// One end of an unnamed pipe.
package struct PipeImage: Equatable, Sendable {
    /// The pipe's inode number.
    package var pipe: UInt32
    /// O_WRONLY tells the end.
    package var flags: UInt32
    package var owner = OwnerImage()
    package init(pipe: UInt32, flags: UInt32) {
        self.pipe = pipe
        self.flags = flags
    }
}

/// An open named pipe; its path is in the regular file `regularFile`.
package struct FifoImage: Equatable, Sendable {
    package var pipe: UInt32
    package var regularFile: UInt32?
    package init(pipe: UInt32, regularFile: UInt32?) {
        self.pipe = pipe
        self.regularFile = regularFile
    }
}

/// An open memfd, or the file behind shared anonymous memory.
package struct MemfdFileImage: Equatable, Sendable {
    package var flags: UInt32
    package var position: UInt64 = 0
    package var owner = OwnerImage()
    package var inodeID: UInt32
    package init(flags: UInt32, inodeID: UInt32) {
        self.flags = flags
        self.inodeID = inodeID
    }
}

/// One row of `remap-fpath.img`: a file whose name is gone.
package struct RemapImage: Equatable, Sendable {
    package enum Kind: UInt32, Sendable {
        case linked = 0
        case ghost = 1
        case procfs = 2
    }
    package var file: UInt32
    /// Ghost number, helper file id, or pid.
    package var target: UInt32
    package var kind: Kind
    package init(file: UInt32, target: UInt32, kind: Kind) {
        self.file = file
        self.target = target
        self.kind = kind
    }
}

/// Head of `ghost-file-HEX.img`; the content is streamed beside it.
package struct GhostImage: Equatable, Sendable {
    /// Printed in hexadecimal in the file's name.
    package var number: UInt32
    package var uid: UInt32
    package var gid: UInt32
    /// Full st_mode.
    package var mode: UInt32
    /// Kernel encoding, major<<20|minor.
    package var device: UInt32?
    package var inode: UInt64?
    /// st_rdev, in the encoding of makedev(3).
    package var rdevice: UInt32?
    package var symlinkTarget: String?
    package var accessSeconds: UInt64 = 0
    package var accessMicroseconds: UInt64 = 0
    package var modifySeconds: UInt64 = 0
    package var modifyMicroseconds: UInt64 = 0
    /// Bytes. Files of 12288 bytes and more are stored in chunks, so holes stay holes.
    package var size: UInt64
    /// In our own `crplan.json`.
    package var attributes: [ExtendedAttribute] = []
    package init(number: UInt32, uid: UInt32, gid: UInt32, mode: UInt32, size: UInt64) {
        self.number = number
        self.uid = uid
        self.gid = gid
        self.mode = mode
        self.size = size
    }
}

/// One row of `pipes-data.img` with its payload: what was unread.
package struct PipeDataImage: Equatable, Sendable {
    package var pipe: UInt32
    package var bytes: [UInt8]
    /// F_GETPIPE_SZ.
    package var capacity: UInt32?
    package init(pipe: UInt32, bytes: [UInt8], capacity: UInt32?) {
        self.pipe = pipe
        self.bytes = bytes
        self.capacity = capacity
    }
}
