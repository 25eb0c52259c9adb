import CPlatform
import Glibc
import PolicyModel

/// Reads the state of a unix socket of a frozen tree, through a duplicate of it.
struct UnixSocketReader {
    let context: ScanContext

    /// `socket` is a duplicate; nothing of it is changed.
    func read(
        _ file: OpenFile, _ facts: SocketFacts, _ socket: Int32
    ) throws(DumpError) -> UnixSocketImage {
        guard let unix = facts.unix else {
            throw .cannotCarry("\(subject(file)): is not listed by sock_diag(7)")
        }
        var image = UnixSocketImage(
            inode: UInt32(truncatingIfNeeded: file.inode), type: facts.type,
            state: UInt32(facts.state?.rawValue ?? 7),
            flags: file.info.flags & ~DescriptorInfo.closeOnExec)
        // Of a listening socket its backlog, as CRIU has it.
        image.backlog = unix.sendQueue
        image.shutdown = unix.shutdown == 0 ? nil : UInt32(unix.shutdown)
        do throws(Errno) {
            image.options = try SocketOptionsReader.read(socket, credentials: true)
            image.name = try SocketName.own(socket)
            image.peerCredentials = try Self.peerCredentials(socket)
        } catch {
            if error == .access {
                throw .found(
                    Finding(.socketProgram, context.object(file), "unix \(UnixSocket.typeName(facts.type))"))
            }
            throw .task(file.pid, "fd \(file.fd) (\(file.link)) cannot be examined", error)
        }
        if image.options.boundDevice != nil {
            throw .cannotCarry("\(subject(file)): is bound to a network device, which is not carried")
        }
        try describePath(of: &image, unix, file, socket)
        try describePeer(of: &image, facts, file, socket)
        return image
    }

    private func subject(_ file: OpenFile) -> String {
        "process \(file.pid): fd \(file.fd) (\(file.link))"
    }

    /// SO_PEERCRED; nil where the kernel notes nobody.
    private static func peerCredentials(_ socket: Int32) throws(Errno) -> SocketCredentialsImage? {
        let words = try SocketOptionsReader.bytes(socket, SO_PEERCRED, room: 12)
        func word(_ place: Int) -> UInt32 {
            (0..<4).reduce(0) { $0 | UInt32(words[place * 4 + $1]) << UInt32(8 * $1) }
        }
        guard words.count == 12, word(0) != 0 else { return nil }
        return SocketCredentialsImage(pid: Int32(bitPattern: word(0)), uid: word(1), gid: word(2))
    }

    // MARK: Name

    /// Whether the bound path is still the socket's file; its mode and owner; for a relative path, where it is.
    private func describePath(
        of image: inout UnixSocketImage, _ facts: UnixSocketFacts, _ file: OpenFile, _ socket: Int32
    ) throws(DumpError) {
        guard let bytes = image.path, let bound = facts.boundFile else { return }
        guard let path = String(validating: bytes, as: UTF8.self) else {
            throw .cannotCarry("\(subject(file)): is bound to a path that is not UTF-8")
        }
        let own = Self.boundFile(socket)
        if let own { image.permissions = .init(mode: own.mode, uid: own.uid, gid: own.gid) }
        let isAbsolute = path.hasPrefix("/")
        for directory in isAbsolute ? [""] : directories() {
            let place = isAbsolute ? path : "\(directory)/\(path)"
            guard let found = try? FileFacts.of(context.snapshot.view + place, followingLinks: false),
                own.map({ found.isSameFile(as: $0) }) ?? bound.names(found)
            else { continue }
            image.permissions = .init(mode: found.mode, uid: found.uid, gid: found.gid)
            if !isAbsolute { image.directory = directory }
            return
        }
        image.isDeleted = true
    }

    /// The file that a socket is bound to, whatever its path leads to now; nil without CAP_NET_ADMIN.
    private static func boundFile(_ socket: Int32) -> FileFacts? {
        let openBoundFile = 0x89e0  // SIOCUNIXFILE
        guard let fd = try? systemCall(CP_SYS_ioctl, Int(socket), openBoundFile, 0) else { return nil }
        let opened = OwnedFD(taking: Int32(fd))
        return try? FileFacts.of("/proc/self/fd/\(opened.rawValue)", followingLinks: true)
    }

    /// Where a relative path may have been bound: the directories of the tree's processes.
    private func directories() -> [String] {
        var seen: Set<String> = []
        return context.snapshot.tasks.compactMap { task in
            guard let cwd = task.cwd, cwd.reach == .same, seen.insert(cwd.path).inserted else { return nil }
            return cwd.path
        }
    }

    // MARK: Peer

    private func describePeer(
        of image: inout UnixSocketImage, _ facts: SocketFacts, _ file: OpenFile, _ socket: Int32
    ) throws(DumpError) {
        switch UnixPeer(of: facts, in: context) {
        case .none: image.waiting = facts.unix?.waiting ?? []
        case .gone:
            image.peerIsGone = true
            do throws(Errno) {
                let events = try SocketQueue(fd: socket, type: facts.type).events()
                if events & Int16(POLLERR) != 0 { image.isReset = true }
            } catch {
                throw .task(file.pid, "fd \(file.fd) (\(file.link)) cannot be examined", error)
            }
        case .inside, .inFlight: image.peer = UInt32(truncatingIfNeeded: facts.peerInode)
        case .waiting(let listener):
            image.peer = UInt32(truncatingIfNeeded: listener?.inode ?? 0)
        case .outside:
            switch UnixPeer.onRestore(facts, allow: context.allow) {
            case .reconnect: image.peer = UInt32(truncatingIfNeeded: facts.peerInode)
            case .close:
                // A stream has no more than what it holds; a datagram socket is one that was never connected.
                if facts.type != 2 { (image.peerIsGone, image.shutdown) = (true, 3) }
            case nil where UnixSocket.streamRule(facts, of: file, in: context) != nil:
                // A standard stream that a restore replaces; for a stock criu one whose peer is gone.
                (image.peerIsGone, image.shutdown) = (true, 3)
            case nil:
                throw .cannotCarry("\(subject(file)): is connected to \(facts.peerName), outside the tree")
            }
        }
    }

    /// The entry of an outside end, as CRIU has it: a listening socket that nobody holds.
    static func outsideEnd(of facts: SocketFacts) -> UnixSocketImage {
        let stateListen: UInt32 = 10
        var image = UnixSocketImage(
            inode: UInt32(truncatingIfNeeded: facts.peerInode), type: facts.type, state: stateListen,
            flags: 0)
        image.special = UnixSocketImage.outside
        if facts.peerName.isEmpty { return image }
        image.name =
            facts.peerName.hasPrefix("@")
            ? [0] + Array(facts.peerName.utf8.dropFirst()) : Array(facts.peerName.utf8) + [0]
        return image
    }
}

/// getsockname(2) of a unix socket.
enum SocketName {
    /// sun_path as the kernel gives it; empty for a socket without a name.
    static func own(_ socket: Int32) throws(Errno) -> [UInt8] {
        Array(try SocketCalls.localAddress(socket).dropFirst(2))
    }

    /// struct sockaddr_un of a name.
    static func address(_ name: [UInt8]) -> [UInt8] { SocketMessage.raw(UInt16(AF_UNIX)) + name }
}
