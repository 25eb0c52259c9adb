import CPlatform
import Glibc

/// Unread messages of unix sockets, and what is under way in them.
extension DumpBuilder {
    /// A unix socket of the images.
    struct Receiver {
        var id: UInt32
        var file: OpenFile
        var facts: SocketFacts
    }

    /// Peeks at the queue of every unix socket; descriptors that are found there may be sockets themselves.
    mutating func takeQueues(
        _ journal: borrowing UndoJournal, _ kernel: KernelNotes
    ) throws(DumpError) {
        var place = 0
        while place < receivers.count {
            try pause.check()
            try takeQueue(of: receivers[place], journal, kernel)
            place += 1
        }
        try checkPeers()
    }

    private mutating func takeQueue(
        of receiver: Receiver, _ journal: borrowing UndoJournal, _ kernel: KernelNotes
    ) throws(DumpError) {
        let (file, facts) = (receiver.file, receiver.facts)
        let listening: SocketFacts.State = .listen
        if facts.state == listening { return }
        let messages: [SocketMessage]
        do throws(SocketQueue.Obstacle) {
            let socket = try queueOwner(file)
            let queue = SocketQueue(fd: socket.rawValue, type: facts.type)
            guard try queue.isReadable() else { return }
            let empty = try emptyMessages(socket.rawValue, facts, kernel)
            guard try queue.mayHoldMessages(empty) else { return }
            let offset = try queue.offset()
            var record = UndoJournal.Record(pid: file.pid, startTime: startTime(of: file.pid))
            record.socket = .init(descriptor: file.fd, inode: file.inode, peekOffset: offset)
            try note(record, journal)
            messages = try queue.messages(empty, restoring: offset)
            try note(nil, journal)
        } catch {
            switch error {
            case .kernel(let errno):
                throw .task(file.pid, "fd \(file.fd) (\(file.link)) cannot be read", errno)
            case .urgent: throw .found(finding(.urgentBytes, receiver))
            case .error: throw .found(finding(.waitingError, receiver))
            case .tooMany:
                throw .cannotCarry(
                    "process \(file.pid): fd \(file.fd) (\(file.link)): its queue has no end that can be "
                        + "found; is somebody outside at work in it?")
            case .hiddenRights:
                throw .found(finding(.passedDescriptor, receiver, ", in an empty message that was looked at"))
            }
        }
        inFlight.take(messages)
        for message in messages {
            packets.append(try packet(message, receiver))
        }
    }

    /// What is to be said of a socket that only the frozen tree shows.
    private mutating func finding(
        _ code: FindingCode, _ receiver: Receiver, _ detail: String = ""
    ) -> Finding {
        let facts = receiver.facts
        let name = facts.local.isEmpty ? receiver.file.link : facts.local
        return Finding(
            code, scanContext().object(receiver.file),
            "unix \(UnixSocket.typeName(facts.type)) \(name)\(detail)",
            severity: .block)
    }

    private mutating func packet(
        _ message: SocketMessage, _ receiver: Receiver
    ) throws(DumpError) -> SocketPacketImage {
        var packet = SocketPacketImage(receiver: receiver.id, bytes: message.bytes)
        for right in message.rights { packet.rights.append(try inFlightFile(right, receiver)) }
        // What the kernel says where it noted nobody: no pid and the overflow user.
        if let credentials = message.credentials, credentials.pid != 0 {
            if snapshot.task(PID(credentials.pid)) == nil {
                throw .found(
                    finding(.passedCredentials, receiver, ", message of process \(credentials.pid)"))
            }
            packet.credentials = credentials
        }
        let datagram: UInt32 = 2
        if receiver.facts.type == datagram { packet.sender = Array(message.address.dropFirst(2)) }
        return packet
    }

    /// The number of a file whose descriptor is in a message; `fd` is our copy.
    private mutating func inFlightFile(_ fd: Int32, _ receiver: Receiver) throws(DumpError) -> UInt32 {
        let own = PID(getpid())
        let file: OpenFile
        do throws(Errno) {
            let candidate = try InFlightFiles.file(fd, id: OpenFileID(rawValue: snapshot.openFiles.count))
            for known in snapshot.openFiles where known.inode == candidate.inode {
                if try Kcmp.compare(.file, own, known.pid, fd, known.fd) == .same, let id = files.known(known)
                {
                    return id
                }
            }
            file = candidate
        } catch {
            throw .task(
                receiver.file.pid,
                "a descriptor in a message that waits in fd \(receiver.file.fd) cannot be examined",
                error)
        }
        snapshot.openFiles.append(file)
        for (inode, facts) in SocketScan.facts(of: [file], in: snapshot) {
            snapshot.sockets[inode] = facts
        }
        let context = scanContext()
        let tag = FileTable.tag(of: file, in: snapshot)
        if !Self.passable.contains(tag) {
            throw .found(finding(.passedDescriptor, receiver, ", message with a \(tag.rawValue)"))
        }
        if var found = FileTable.findings(of: file, in: context).first(where: { $0.severity == .block }) {
            found.what += ", in a message to \(receiver.file.link)"
            (found.object.pid, found.object.fd) = (receiver.file.pid, receiver.file.fd)
            throw .found(found)
        }
        let pidfd = try openPidFD(own)
        return try fileID(of: file, pidfd: pidfd.rawValue, descriptor: fd, holder: own)
    }

    /// Kinds that are carried in a message though nobody in the tree has the descriptor. Those that are not bind to a
    /// process or to its descriptor table, or have to be changed to be read, which must be undone should we die.
    private static let passable: Set<FileTag> = [
        .regularFile, .directory, .memoryDevice, .pipe, .fifo, .pathOnly, .pseudoFile, .unixSocket,
        .tcpSocket,
        .udpSocket, .rawSocket, .packetSocket, .netlinkSocket, .memfd, .eventFD, .signalFD, .timerFD, .pidFD,
    ]

    /// A copy of a file of the tree, or of one that we took out of a message.
    func duplicate(_ file: OpenFile) throws(Errno) -> OwnedFD {
        let pidfd = OwnedFD(taking: Int32(try systemCall(CP_SYS_pidfd_open, Int(file.pid.rawValue), 0)))
        return OwnedFD(
            taking: Int32(try systemCall(CP_SYS_pidfd_getfd, Int(pidfd.rawValue), Int(file.fd), 0)))
    }

    private func emptyMessages(
        _ socket: Int32, _ facts: SocketFacts, _ kernel: KernelNotes
    ) throws(SocketQueue.Obstacle) -> [EmptyMessage]? {
        let stream: UInt32 = 1
        if facts.type == stream { return nil }
        do throws(Errno) {
            return try kernel.emptyMessages(of: socket)
        } catch {
            throw error.rawValue == ENOBUFS ? .tooMany : .kernel(error)
        }
    }

    private func queueOwner(_ file: OpenFile) throws(SocketQueue.Obstacle) -> OwnedFD {
        do throws(Errno) { return try duplicate(file) } catch { throw .kernel(error) }
    }

    private func startTime(of pid: PID) -> UInt64 { snapshot.task(pid)?.startTime ?? 0 }

    /// Sets or clears the journal's record; probes are over by now, so its first place is free.
    private func note(
        _ record: UndoJournal.Record?, _ journal: borrowing UndoJournal
    ) throws(SocketQueue.Obstacle) {
        do throws(Errno) {
            if let record { try journal.set(record, at: 0) } else { try journal.clear(at: 0) }
        } catch {
            throw .kernel(error)
        }
    }

    /// Every other end is one of the images.
    private mutating func checkPeers() throws(DumpError) {
        let context = scanContext()
        var inodes: Set<UInt32> = []
        for file in files.files {
            if case .unixSocket(let socket) = file.content { inodes.insert(socket.inode) }
        }
        for receiver in receivers {
            let peer = UInt32(truncatingIfNeeded: receiver.facts.peerInode)
            if peer == 0 || inodes.contains(peer) { continue }
            if case .outside = UnixPeer(of: receiver.facts, in: context) { continue }
            throw .cannotCarry(
                "process \(receiver.file.pid): fd \(receiver.file.fd) (\(receiver.file.link)): its other end "
                    + "socket:[\(peer)] is neither in the tree nor under way in it")
        }
    }
}

/// Descriptors that were found in messages: copies of ours until the dump has read what they lead to.
final class InFlightFiles {
    private var descriptors: [Int32] = []

    deinit { for fd in descriptors { _ = close(fd) } }

    func take(_ messages: [SocketMessage]) { descriptors += messages.flatMap(\.rights) }

    /// A descriptor of ours as if it were one of the tree.
    static func file(_ fd: Int32, id: OpenFileID) throws(Errno) -> OpenFile {
        let own = try ProcDirectory.open("/proc/self")
        let link = try own.link("fd/\(fd)")
        let facts = try FileFacts.of("/proc/self/fd/\(fd)", followingLinks: true)
        let bytes = try own.read("fdinfo/\(fd)")
        var info: DescriptorInfo
        do throws(ProcFormatError) {
            info = try DescriptorInfo(parsing: bytes)
        } catch {
            throw .io
        }
        info.flags &= ~DescriptorInfo.closeOnExec
        var paths = PathCheck()
        let answer = paths.answer(link, facts, view: "")
        return OpenFile(
            id: id, link: answer.path, facts: facts, reach: answer.reach, info: info, pid: PID(getpid()),
            fd: fd)
    }
}
