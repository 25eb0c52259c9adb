/// State of unix sockets that CRIU's images have no field for, as `crplan.json` has it.
struct UnixSocketExtras: Codable, Equatable {
    struct Socket: Codable, Equatable {
        /// Of the file.
        var id: UInt32
        var peerCredentials: SocketCredentialsImage?
        var isReset: Bool?
        var peerIsGone: Bool?
        /// Inodes.
        var waiting: [UInt32]?
    }
    struct Packet: Codable, Equatable {
        /// Place in sk-queues.img.
        var place: Int
        var credentials: SocketCredentialsImage?
        var sender: [UInt8]?
    }
    var sockets: [Socket] = []
    var packets: [Packet] = []

    /// Nil where there is nothing to say.
    init?(_ tree: TreeImage) {
        for file in tree.files {
            guard case .unixSocket(let socket) = file.content else { continue }
            let row = Socket(
                id: file.id, peerCredentials: socket.peerCredentials, isReset: socket.isReset,
                peerIsGone: socket.peerIsGone, waiting: socket.waiting.isEmpty ? nil : socket.waiting)
            if row != Socket(id: file.id) { sockets.append(row) }
        }
        for (place, packet) in tree.socketPackets.enumerated() {
            let row = Packet(
                place: place, credentials: packet.credentials,
                sender: packet.sender.isEmpty ? nil : packet.sender)
            if row != Packet(place: place) { packets.append(row) }
        }
        if sockets.isEmpty && packets.isEmpty { return nil }
    }

    func apply(to tree: inout TreeImage) {
        let rows = Dictionary(sockets.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        for place in tree.files.indices {
            guard case .unixSocket(var socket) = tree.files[place].content,
                let row = rows[tree.files[place].id]
            else { continue }
            socket.peerCredentials = row.peerCredentials
            socket.isReset = row.isReset
            socket.peerIsGone = row.peerIsGone
            socket.waiting = row.waiting ?? []
            tree.files[place].content = .unixSocket(socket)
        }
        for row in packets where tree.socketPackets.indices.contains(row.place) {
            tree.socketPackets[row.place].credentials = row.credentials
            tree.socketPackets[row.place].sender = row.sender ?? []
        }
    }
}
