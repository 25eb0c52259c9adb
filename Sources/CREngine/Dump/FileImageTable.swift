import CPlatform
import Glibc

/// Rows of `files.img` as a dump finds them: open file descriptions, and the files behind mappings, exe links and
/// directories, each once.
struct FileImageTable {
    /// A deleted file whose content travels with the images.
    struct Ghost {
        var image: GhostImage
        /// A path in /proc by which the file can be opened.
        var content: String
    }

    private struct Inode: Hashable {
        var device: DeviceNumber
        var inode: UInt64
    }

    private(set) var files: [FileImage] = []
    private(set) var socketExtras: [UInt32: SocketExtras] = [:]
    private(set) var remaps: [RemapImage] = []
    private(set) var ghosts: [Ghost] = []
    private(set) var memfds: [MemfdInodeImage] = []
    /// Paths in /proc by which the shared memory of `memfds` can be opened, in the same order.
    private(set) var memfdContents: [String] = []

    private var plain: [Inode: UInt32] = [:]
    private var open: [OpenFileID: UInt32] = [:]
    private var ghostNumbers: [Inode: UInt32] = [:]
    private var memfdFiles: [UInt64: UInt32] = [:]
    private var memfdInodes: [UInt64: UInt32] = [:]
    private let ghostLimit: UInt64
    private let buildIDs: BuildIDCache
    private let links: LinkRemaps
    private let external: Set<String>
    /// The tree has a mount namespace of its own, and images name the mount of each file.
    private let notesMounts: Bool
    private var linkFiles: [Inode: UInt32] = [:]

    /// `ghostLimit` in allocated bytes of each deleted file.
    init(
        ghostLimit: UInt64, buildIDs: BuildIDCache, links: LinkRemaps, external: [String],
        notesMounts: Bool = false
    ) {
        self.notesMounts = notesMounts
        self.external = Set(external)
        self.ghostLimit = ghostLimit
        self.buildIDs = buildIDs
        self.links = links
    }

    /// An exe or a mapped file. `content` is its magic link in /proc.
    mutating func id(ofPlain path: String, facts: FileFacts?, reach: PathReach, content: String)
        throws(DumpError) -> UInt32
    {
        if let facts, facts.type != .characterDevice,
            let known = plain[Inode(device: facts.device, inode: facts.inode)]
        {
            return known
        }
        let id = try id(ofDirectory: path, facts: facts, reach: reach, content: content)
        if let facts { plain[Inode(device: facts.device, inode: facts.inode)] = id }
        return id
    }

    /// A cwd or a root: a row of its own for each process, as CRIU has it.
    mutating func id(ofDirectory path: String, facts: FileFacts?, reach: PathReach, content: String)
        throws(DumpError) -> UInt32
    {
        guard let facts else {
            throw .cannotCarry(
                "\(path): the kernel does not say what file this is (CAP_SYS_ADMIN is needed for \(content))")
        }
        var image = RegularFileImage(path: path)
        describe(&image, facts, content: content)
        return try add(.regular(image), path: path, facts: facts, reach: reach, content: content)
    }

    /// Puts the members into the epoll sets, when all files have their rows.
    mutating func completeEpollSets(_ snapshot: Snapshot) throws(DumpError) {
        for (set, targets) in snapshot.epollTargets {
            guard let id = open[set], let place = files.firstIndex(where: { $0.id == id }),
                case .epoll(var image) = files[place].content
            else { continue }
            let table = Set(snapshot.task(snapshot[set].pid)?.descriptors.map(\.fd) ?? [])
            for target in targets {
                guard let file = target.file, let watched = open[file] else {
                    throw .cannotCarry(
                        "fd \(snapshot[set].fd) of process \(snapshot[set].pid): its epoll set watches a file that no process of the tree has open, added as fd \(target.row.fd)"
                    )
                }
                image.targets.append(Self.row(of: target, watched, table))
            }
            files[place].content = .epoll(image)
        }
    }

    /// CRIU finds a member by its number alone. Where none of the holder leads to it, it gets one that CRIU must refuse.
    private static func row(
        of target: EpollTarget, _ watched: UInt32, _ table: Set<Int32>
    ) -> EpollImage.Target {
        let nobodys = Int32.max
        let number = target.number ?? (table.contains(target.row.fd) ? nobodys : target.row.fd)
        var row = EpollImage.Target(
            fd: UInt32(bitPattern: number), events: target.row.events, data: target.row.data)
        row.device = target.row.device
        row.inode = target.row.inode
        row.position = target.row.position
        if number != target.row.fd { row.addedAs = UInt32(bitPattern: target.row.fd) }
        if target.number == nil { row.file = watched }
        return row
    }

    /// An open file description. `terminal` is the side of a terminal that it is.
    mutating func id(
        of file: OpenFile, owner: OwnerImage, terminal: TerminalImage? = nil
    ) throws(DumpError) -> UInt32 {
        if let known = open[file.id] { return known }
        let flags = file.info.flags & ~DescriptorInfo.closeOnExec
        let id: UInt32
        if let terminal {
            id = appendTerminal(file, terminal, owner)
        } else if external.contains(ExternalFile.key(file)) {
            var image = RegularFileImage(path: ExternalFile.key(file))
            image.isExternal = true
            image.flags = flags
            image.position = file.info.position
            image.owner = owner
            id = append(.regular(image))
        } else if file.link.hasPrefix("pipe:[") {
            var pipe = PipeImage(pipe: UInt32(truncatingIfNeeded: file.inode), flags: flags)
            pipe.owner = owner
            id = append(.pipe(pipe))
        } else if file.reach == .notAPath, file.link.hasPrefix("/"), let facts = file.facts {
            let content = "/proc/\(file.pid)/fd/\(file.fd)"
            var memfd = MemfdFileImage(
                flags: flags, inodeID: try memoryInode(file.link, facts, content: content))
            memfd.position = file.info.position
            memfd.owner = owner
            id = append(.memfd(memfd))
        } else if file.link.hasPrefix("/"), let facts = file.facts {
            let path = file.otherName ?? file.link
            var image = RegularFileImage(path: path)
            image.flags = flags
            image.position = file.info.position
            image.owner = owner
            let content = "/proc/\(file.pid)/fd/\(file.fd)"
            describe(&image, facts, content: content)
            // Of another node the permissions are others.
            if file.otherName != nil { image.mode = nil }
            var pipe: UInt32?
            if facts.type == .fifo, !file.isPathOnly {
                // The row after this one has name and flags.
                let inode = UInt32(truncatingIfNeeded: file.inode)
                pipe = append(.fifo(FifoImage(pipe: inode, regularFile: UInt32(files.count + 2))))
            }
            let named = try add(
                .regular(image), path: path, facts: facts, reach: file.otherName == nil ? file.reach : .same,
                content: content)
            id = pipe ?? named
        } else {
            throw .cannotCarry(
                "fd \(file.fd) of process \(file.pid) (\(file.link)): this kind of file is not carried yet")
        }
        open[file.id] = id
        return id
    }

    /// The number of an open file description that has one already.
    func known(_ file: OpenFile) -> UInt32? { open[file.id] }

    /// A number for an open file description whose kind makes its own content.
    mutating func id(of file: OpenFile, _ content: FileImage.Content) -> UInt32 {
        let id = append(content)
        open[file.id] = id
        return id
    }

    /// A socket that was read by `SocketsDump`.
    mutating func add(_ socket: SocketsDump.Row, of file: OpenFile) -> UInt32 {
        let id = id(of: file, socket.content)
        if socket.extras != SocketExtras() { socketExtras[id] = socket.extras }
        return id
    }

    /// A file that nobody has a descriptor of, but that others refer to.
    mutating func addUnheld(_ content: FileImage.Content) { _ = append(content) }

    /// A terminal and, unless it is to be given from outside, the row with its path.
    private mutating func appendTerminal(
        _ file: OpenFile, _ terminal: TerminalImage, _ owner: OwnerImage
    ) -> UInt32 {
        let flags = file.info.flags & ~DescriptorInfo.closeOnExec
        let id = UInt32(files.count + 1)
        let isGiven = terminal.kind == .external
        var image = TerminalFileImage(
            terminal: terminal.id, flags: flags, regularFile: isGiven ? nil : id + 1)
        image.owner = owner
        _ = append(.terminal(image))
        if isGiven { return id }
        var path = RegularFileImage(path: file.link)
        path.flags = flags
        path.owner = owner
        path.mode = file.facts?.mode
        path.mountID = mountID(file.facts)
        _ = append(.regular(path))
        return id
    }

    /// The file behind a mapped memfd or shared anonymous memory, which CRIU keeps as a memfd too. How it is opened
    /// stands with each area, not here.
    mutating func id(ofSharedMemory file: MappedFile) throws(DumpError) -> UInt32 {
        if let known = memfdFiles[file.inode] { return known }
        let content = "/proc/\(file.pid)/map_files/\(hexadecimal(file.start))-\(hexadecimal(file.end))"
        guard let facts = file.facts else {
            throw .cannotCarry(
                "process \(file.pid): shared memory at \(RemoteAddress(file.start)) cannot be examined (CAP_SYS_ADMIN is needed)"
            )
        }
        let inode = try memoryInode(file.path, facts, content: content)
        let id = append(.memfd(MemfdFileImage(flags: 0, inodeID: inode)))
        memfdFiles[file.inode] = id
        return id
    }

    /// The memory itself, once however often it is open or mapped.
    private mutating func memoryInode(
        _ path: String, _ facts: FileFacts, content: String
    ) throws(DumpError) -> UInt32 {
        if let known = memfdInodes[facts.inode] { return known }
        let number = UInt64(memfds.count + 1)
        let prefix = "/memfd:"
        let name = path.hasPrefix(prefix) ? String(path.dropFirst(prefix.count)) : path
        var inode = MemfdInodeImage(
            inodeID: number, name: name, size: facts.size, shmid: UInt32(truncatingIfNeeded: facts.inode))
        inode.uid = facts.uid
        inode.gid = facts.gid
        inode.mode = facts.mode
        let getSeals = 1034
        do throws(Errno) {
            let file = try OwnedFD.open(content, O_RDONLY)
            inode.seals = UInt32(try systemCall(CP_SYS_fcntl, Int(file.rawValue), getSeals))
            inode.hugetlbFlag = try HugeTLB.pageSize(of: file.rawValue).map {
                HugeTLB.memfdBit | HugeTLB.sizeBits($0)
            }
        } catch {
            throw .cannotCarry("\(content) (\(path)): its seals and page size cannot be read: \(error)")
        }
        memfds.append(inode)
        memfdContents.append(content)
        memfdInodes[facts.inode] = UInt32(number)
        return UInt32(number)
    }

    private func mountID(_ facts: FileFacts?) -> Int32? {
        guard notesMounts, let mount = facts?.mount, mount != 0 else { return nil }
        return Int32(truncatingIfNeeded: mount)
    }

    private func describe(_ image: inout RegularFileImage, _ facts: FileFacts, content: String) {
        image.mode = facts.mode
        image.mountID = mountID(facts)
        let appendsOnly =
            image.flags & UInt32(O_ACCMODE) == UInt32(O_WRONLY) && image.flags & UInt32(O_APPEND) != 0
        guard facts.type == .regular, !appendsOnly else { return }
        image.size = facts.size
        image.buildID = buildIDs.words(device: facts.device, inode: facts.inode, path: content)
    }

    private mutating func add(
        _ content: FileImage.Content, path: String, facts: FileFacts, reach: PathReach, content link: String
    ) throws(DumpError) -> UInt32 {
        let id = append(content)
        switch reach {
        case .same, .unknown, .notAPath:
            return id
        case .gone where facts.links == 0:
            let number = try ghost(path: path, facts: facts, content: link)
            remaps.append(RemapImage(file: id, target: number, kind: .ghost))
            return id
        case .gone where facts.type != .directory:
            remaps.append(RemapImage(file: id, target: try helper(path, facts, link), kind: .linked))
            return id
        case .gone, .other:
            throw .cannotCarry("\(path): no longer leads to the file that is open")
        }
    }

    /// The row of the hard link that stands in for a file's lost name; one for all of its open files.
    private mutating func helper(
        _ path: String, _ facts: FileFacts, _ content: String
    ) throws(DumpError) -> UInt32 {
        let inode = Inode(device: facts.device, inode: facts.inode)
        if let known = linkFiles[inode] { return known }
        let number = UInt32(files.count + 1)
        let name = try links.link(path, inode: facts.inode, content: content, number: number)
        let id = append(.regular(RegularFileImage(path: name)))
        linkFiles[inode] = id
        return id
    }

    private mutating func ghost(path: String, facts: FileFacts, content: String) throws(DumpError) -> UInt32 {
        let inode = Inode(device: facts.device, inode: facts.inode)
        if let known = ghostNumbers[inode] { return known }
        let allocated = facts.blocks * 512
        if facts.type == .regular && allocated > ghostLimit {
            throw .cannotCarry(
                "\(path) is deleted and holds \(allocated) bytes; allow: {ghost-limit: \(allocated)B} or more"
            )
        }
        guard [.regular, .directory, .fifo].contains(facts.type) else {
            throw .cannotCarry(
                "\(path) is deleted and neither a regular file, a directory nor a named pipe; it is not carried yet"
            )
        }
        let number = UInt32(ghosts.count + 1)
        var image = GhostImage(
            number: number, uid: facts.uid, gid: facts.gid, mode: facts.mode, size: facts.size)
        image.device = facts.device.kernelEncoding
        image.inode = facts.inode
        image.accessSeconds = UInt64(bitPattern: facts.accessSeconds)
        image.accessMicroseconds = UInt64(facts.accessNanoseconds / 1000)
        image.modifySeconds = UInt64(bitPattern: facts.modifySeconds)
        image.modifyMicroseconds = UInt64(facts.modifyNanoseconds / 1000)
        do throws(Errno) {
            image.attributes = try ExtendedAttribute.all(of: content)
        } catch {
            throw .cannotCarry("\(path) is deleted, and its extended attributes cannot be read: \(error)")
        }
        ghosts.append(Ghost(image: image, content: content))
        ghostNumbers[inode] = number
        return number
    }

    private mutating func append(_ content: FileImage.Content) -> UInt32 {
        let id = UInt32(files.count + 1)
        files.append(FileImage(id: id, content: content))
        return id
    }

    private func hexadecimal(_ value: UInt64) -> String { String(value, radix: 16) }
}
