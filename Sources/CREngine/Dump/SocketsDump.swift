import CPlatform
import Glibc

/// Sockets other than unix ones, each read once through a short-lived duplicate of its descriptor.
struct SocketsDump {
    private let snapshot: Snapshot
    private let network: NetworkDump
    private var extrasReader = SocketExtrasReader()
    /// Connections by inode of their socket.
    private(set) var streams: [UInt32: TCPStreamImage] = [:]

    init(snapshot: Snapshot, network: NetworkDump) {
        self.snapshot = snapshot
        self.network = network
    }

    /// What was read of one socket.
    struct Row {
        var content: FileImage.Content
        var extras: SocketExtras
    }

    /// Nil where the file is no such socket. `facts` may be of one that came up in a message.
    mutating func read(
        _ file: OpenFile, _ facts: SocketFacts?, pidfd: Int32, _ pid: PID, _ descriptor: Int32,
        owner: OwnerImage
    ) throws(DumpError) -> Row? {
        guard file.link.hasPrefix("socket:["), let facts else { return nil }
        do throws(Errno) {
            switch facts.family {
            case .unix, .other: return nil
            case .tcp, .udp, .raw, .ping, .packet, .netlink: break
            }
            let socket = try SocketCalls.duplicate(pidfd: pidfd, descriptor: descriptor)
            let place = UndoJournal.SocketRecord(
                pid: pid, startTime: snapshot.task(pid)?.startTime ?? 0, fd: descriptor, inode: file.inode,
                reusesAddress: false)
            let fd = socket.rawValue
            guard snapshot.ownNamespaceKinds.contains(.net) else {
                return try read(fd, file, facts, owner, place)
            }
            // Names of interfaces and groups are those of the socket's own namespace.
            return try NamespaceVisit.run(.net, of: snapshot.root, refusal: { $0.errno }) {
                () throws(Errno) in try read(fd, file, facts, owner, place)
            }
        } catch {
            if let finding = Self.finding(error, facts, file, pid, descriptor) { throw .found(finding) }
            if error.rawValue == EISCONN {
                throw .cannotCarry(
                    "process \(pid): fd \(descriptor) (\(facts.protocolName) \(file.link)): is connected, and "
                        + "sock_diag(7) did not show it; load the module tcp_diag")
            }
            throw .task(pid, "fd \(descriptor) (\(file.link)) cannot be examined", error)
        }
    }

    /// What an error says of a socket that nothing else tells.
    private static func finding(
        _ error: Errno, _ facts: SocketFacts, _ file: OpenFile, _ pid: PID, _ descriptor: Int32
    ) -> Finding? {
        let codes: [Int32: FindingCode] = [
            EACCES: .socketProgram, EOPNOTSUPP: .udpTunnel, ENODATA: .urgentBytes, ECONNRESET: .waitingError,
            EINPROGRESS: .passedDescriptor,
        ]
        guard let code = codes[error.rawValue] else { return nil }
        let far = facts.remote.isEmpty ? "" : " -> \(facts.remote)"
        let object = FindingObject(pid: pid, fd: descriptor, inode: file.inode)
        return Finding(code, object, "\(facts.protocolName) \(facts.local)\(far)", severity: .block)
    }

    /// What a unix socket has beyond CRIU's fields for any socket; `fd` is a duplicate.
    mutating func extras(ofUnix fd: Int32, type: UInt32) throws(Errno) -> SocketExtras {
        try extrasReader.read(fd, family: UInt32(AF_UNIX), type: type, proto: 0, isConnected: true)
    }

    private mutating func read(
        _ fd: Int32, _ file: OpenFile, _ facts: SocketFacts, _ owner: OwnerImage,
        _ place: UndoJournal.SocketRecord
    ) throws(Errno) -> Row? {
        let flags = file.info.flags & ~DescriptorInfo.closeOnExec
        let content: FileImage.Content
        let kind: (family: UInt32, type: UInt32, proto: UInt32)
        var isConnected = false
        switch facts.family {
        case .packet:
            let image = try PacketSocketReader.read(fd, facts: facts, flags: flags, owner: owner)
            content = .packetSocket(image)
            kind = (UInt32(AF_PACKET), image.type, 0)
        case .netlink:
            let image = try NetlinkSocketReader.read(
                fd, inode: file.inode, facts: facts, flags: flags, owner: owner)
            content = .netlinkSocket(image)
            kind = (UInt32(AF_NETLINK), 3, image.proto)
        default:
            let reader = InetSocketReader(fd: fd, facts: facts)
            guard var image = try reader.read(inode: file.inode, flags: flags, owner: owner) else {
                return nil
            }
            if image.type == 1 {
                isConnected = try TCPPast(fd: fd).hadConnection()
                try readConnection(fd, &image, place)
            }
            if facts.family == .udp { try refuseTunnel(fd) }
            content = .inetSocket(image)
            kind = (image.family, image.type, image.proto)
        }
        let extras = try extrasReader.read(
            fd, family: kind.family, type: kind.type, proto: kind.proto, isConnected: isConnected)
        return Row(content: content, extras: extras)
    }

    /// Throws EOPNOTSUPP for a socket of a tunnel other than IPsec's.
    private func refuseTunnel(_ fd: Int32) throws(Errno) {
        let encapsulation: Int32 = 100
        let plain: [UInt32] = [0, 2]
        if !plain.contains(try SocketCalls.number(fd, SocketOption.udpLevel, encapsulation)) {
            throw .notSupported
        }
    }

    /// A connection that has ended comes back as one that has: its port may be somebody else's by now.
    private func closeEnded(_ fd: Int32, _ image: inout InetSocketImage) throws(Errno) {
        let past = TCPPast(fd: fd)
        // After a restore the socket itself has no past.
        if try past.isShutDown() { image.shutdown = 3 }
        guard try past.hadConnection() else { return }
        if try past.holdsSomething() { throw Errno(rawValue: ECONNRESET) }
        image.close()
    }

    /// What is not read is a closed socket, which a program sees as a connection that has ended.
    private mutating func readConnection(
        _ fd: Int32, _ image: inout InetSocketImage, _ place: UndoJournal.SocketRecord
    ) throws(Errno) {
        // In flight in a unix socket: no task has a descriptor by which repair could be undone.
        if snapshot.task(place.pid) == nil, ![TCPState.close, TCPState.listen].contains(image.state) {
            throw Errno(rawValue: EINPROGRESS)
        }
        switch network.treatment(of: place.inode) {
        case .plain, .deny:
            if ![TCPState.close, TCPState.listen].contains(image.state) {
                throw Errno(rawValue: EISCONN)
            }
            if image.state == TCPState.close { try closeEnded(fd, &image) }
        case .close:
            image.close()
        case .inside, .keep:
            var place = place
            place.reusesAddress = image.options.reusesAddress ?? false
            let unread = snapshot.sockets[place.inode]?.unread ?? 0
            let stream = try network.read(fd, &image, unread: Int(unread), at: place)
            // Reset by its peer between the look and the lock.
            if image.state == TCPState.close { return try closeEnded(fd, &image) }
            streams[image.inode] = stream
        }
    }
}

extension InetSocketImage {
    /// Makes it one whose connection has ended.
    mutating func close() {
        let fresh = InetSocketImage(inode: inode, family: family, type: type, proto: proto)
        state = TCPState.close
        local = fresh.local
        remote = fresh.remote
        interface = nil
        shutdown = 3
    }
}
