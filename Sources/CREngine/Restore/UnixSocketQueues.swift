import CPlatform
import Glibc

/// Sends again what was unread, and ends what was ended.
struct UnixSocketQueues {
    let builder: UnixSocketBuilder
    private var plan: UnixSocketPlan { builder.plan }

    init(builder: UnixSocketBuilder) { self.builder = builder }

    /// All messages in their order; every socket of the tree is there, and datagram sockets are not connected yet.
    func fill() throws(RestoreError) {
        for packet in builder.tasks.tree.socketPackets where plan.makes(packet.receiver) {
            let row = plan.row(packet.receiver)
            var message = SocketMessage(bytes: packet.bytes)
            message.credentials = packet.credentials
            // We are who sends, and name its writer by the number that it has for us.
            if let writer = builder.tasks.live.first(where: { $0.pid.rawValue == packet.credentials?.pid }) {
                message.credentials?.pid = writer.host.rawValue
            }
            for id in packet.rights { message.rights.append(try builder.tasks.files.descriptor(of: id)) }
            try send(message, packet, to: row)
        }
    }

    private func send(
        _ message: SocketMessage, _ packet: SocketPacketImage, to row: UnixSocketPlan.Row
    ) throws(RestoreError) {
        if let end = try otherEnd(of: row) {
            try sendAll(message, through: end, row)
            return
        }
        try builder.names.reach(try builder.fd(row), for: nil) {
            (address, file) throws(RestoreError) -> Void in
            var message = message
            message.address =
                file.map { SocketName.address(Array("/proc/self/fd/\($0)".utf8) + [0]) } ?? address
            if let sender = try sender(of: packet) {
                try sendAll(message, through: sender, row)
            } else {
                let stranger = try stranger(called: packet.sender)
                try sendAll(message, through: stranger.rawValue, row)
            }
        }
    }

    /// The other end of a connection; nil for a datagram socket that is reached by its name.
    private func otherEnd(of row: UnixSocketPlan.Row) throws(RestoreError) -> Int32? {
        if let end = builder.names.orphanEnds[row.id] { return end }
        guard row.connection == .mutual else { return nil }
        guard let peer = plan.rows.first(where: { $0.socket.inode == row.socket.peer }) else { return nil }
        return try builder.fd(peer)
    }

    /// The socket of the tree that a datagram came from.
    private func sender(of packet: SocketPacketImage) throws(RestoreError) -> Int32? {
        if packet.sender.isEmpty { return nil }
        let datagram = UnixSocketPlan.datagram
        let row = plan.rows.first {
            $0.socket.type == datagram && $0.socket.name == packet.sender && $0.isBound
        }
        return try row.map { (row) throws(RestoreError) -> Int32 in try builder.fd(row) }
    }

    /// A socket in the place of one that is gone or outside; a datagram keeps the name of the one that it came from.
    private func stranger(called name: [UInt8]) throws(RestoreError) -> OwnedFD {
        let made = try builder.tasks.files.inNetwork { () throws(RestoreError) in
            try RestoreError.about("this process", "cannot make a socket") { () throws(Errno) -> Int32 in
                try SocketCalls.make(UInt32(AF_UNIX), UnixSocketPlan.datagram, 0).release()
            }
        }
        let socket = OwnedFD(taking: made)
        if !name.isEmpty { try builder.names.bindForTheMoment(name, fd: socket.rawValue) }
        return socket
    }

    private func sendAll(
        _ message: SocketMessage, through fd: Int32, _ row: UnixSocketPlan.Row
    ) throws(RestoreError) {
        let dontWait = 0x40
        try builder.about(row, "its \(message.bytes.count) unread bytes cannot be put back") {
            () throws(Errno) -> Void in try message.send(through: fd, flags: dontWait)
        }
    }

    /// Ends the directions that were ended, and leaves a byte unread in an end that is to be closed with a reset.
    func finish(_ row: UnixSocketPlan.Row) throws(RestoreError) {
        let fd = try builder.fd(row)
        if builder.names.orphanEnds[row.id] != nil {
            if row.socket.isReset == true {
                try sendAll(SocketMessage(bytes: [0]), through: fd, row)
            }
            return
        }
        guard let directions = row.socket.shutdown, directions != 0 else { return }
        try builder.about(row, "cannot be shut down as it was") { () throws(Errno) -> Void in
            try systemCall(CP_SYS_shutdown, Int(fd), Int(directions) - 1)
        }
    }

    /// Closes the ends that nobody holds.
    func closeOrphanedEnds() {
        for end in builder.names.orphanEnds.values { _ = close(end) }
        builder.names.orphanEnds = [:]
    }
}
