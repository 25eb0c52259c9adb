/// How each unix socket of a tree is to be made, from what the images say of it and of its peer. Pure.
struct UnixSocketPlan {
    static let stream: UInt32 = 1
    static let datagram: UInt32 = 2
    static let listening: UInt32 = 10
    private static let established: UInt32 = 1

    /// How a socket comes to be.
    enum Role: Equatable {
        /// By socket(2).
        case own
        /// With another one by socketpair(2); the row that makes both.
        case pair(UInt32)
        /// By its peer's row.
        case made
        /// By accept(2) of a connection from a client of the tree, or from one that is gone.
        case accepted(UInt32?)
        /// By socketpair(2), and the other end is closed when the queue is full.
        case orphan
    }

    /// What it is connected to after that.
    enum Connection: Equatable {
        case none
        /// Both ends name each other; done by the role.
        case mutual
        /// A datagram socket to another one.
        case to(UInt32)
        /// A datagram socket whose peer was closed.
        case gone
        /// A client in the queue of a listening socket.
        case waiting(UInt32)
        case outside(UnixSocketImage)
    }

    struct Row {
        var id: UInt32
        var socket: UnixSocketImage
        var role = Role.own
        var connection = Connection.none

        /// Whether it gets its name by bind(2); one that was accepted has that of its listening socket.
        var isBound: Bool {
            if case .accepted = role { return false }
            return !socket.name.isEmpty
        }
    }

    private(set) var rows: [Row] = []
    private var places: [UInt32: Int] = [:]
    /// Names that unread messages came from, by receiver.
    private var senders: [UInt32: Set<[UInt8]>] = [:]
    /// Clients that wait to be accepted, in the order in which they came.
    private(set) var waiting: [Row] = []

    /// `given` are files that something else takes the place of.
    init(_ tree: TreeImage, except given: Set<UInt32>) throws(RestoreError) {
        var ends: [UInt32: UnixSocketImage] = [:]
        var byInode: [UInt32: UInt32] = [:]
        for file in tree.files {
            guard case .unixSocket(let socket) = file.content else { continue }
            if socket.special & UnixSocketImage.outside != 0 {
                ends[socket.inode] = socket
                continue
            }
            if given.contains(file.id) { continue }
            places[file.id] = rows.count
            byInode[socket.inode] = file.id
            rows.append(Row(id: file.id, socket: socket))
        }
        for packet in tree.socketPackets where places[packet.receiver] != nil {
            senders[packet.receiver, default: []].insert(packet.sender)
        }
        for place in rows.indices { try decide(place, byInode, ends) }
        orderWaiting()
    }

    /// Whether a file is a socket that is to be made.
    func makes(_ id: UInt32) -> Bool { places[id] != nil }

    func row(_ id: UInt32) -> Row { rows[places[id] ?? 0] }

    /// The listening socket of the tree that has the name of an accepted one.
    func listener(of accepted: Row) -> Row? {
        rows.first {
            $0.socket.state == Self.listening && $0.socket.type == accepted.socket.type
                && $0.socket.name == accepted.socket.name
                && ($0.socket.isDeleted ?? false) == (accepted.socket.isDeleted ?? false)
        }
    }

    private mutating func decide(
        _ place: Int, _ byInode: [UInt32: UInt32], _ ends: [UInt32: UnixSocketImage]
    ) throws(RestoreError) {
        let socket = rows[place].socket
        guard rows[place].role == .own, rows[place].connection == .none else { return }
        if socket.peer == 0 {
            if socket.type == Self.datagram {
                let isGone = socket.peerIsGone == true
                if socket.name.isEmpty, isGone || senders[rows[place].id] != nil {
                    rows[place].role = .orphan
                    rows[place].connection = .mutual
                } else if isGone {
                    rows[place].connection = .gone
                }
            } else if socket.state == Self.established {
                rows[place].role = socket.name.isEmpty ? .orphan : .accepted(nil)
                rows[place].connection = .mutual
            }
            return
        }
        if let end = ends[socket.peer] {
            rows[place].connection = .outside(end)
            return
        }
        guard let peer = byInode[socket.peer], let other = places[peer] else {
            throw RestoreError(
                "unix socket \(socket.title)", "is connected to socket \(socket.peer), which the image lacks")
        }
        if rows[other].socket.state == Self.listening {
            rows[place].connection = .waiting(peer)
        } else if rows[other].socket.peer == socket.inode {
            join(place, other)
        } else {
            guard socket.type == Self.datagram, !rows[other].socket.name.isEmpty else {
                throw RestoreError(
                    "unix socket \(socket.title)",
                    "is connected to a socket that has no name and another peer")
            }
            rows[place].connection = .to(peer)
        }
    }

    /// Two sockets that name each other.
    private mutating func join(_ place: Int, _ other: Int) {
        let (own, peer) = (rows[place], rows[other])
        let ends: Set<[UInt8]> = [[], own.socket.name, peer.socket.name]
        let hasStrangers = [own, peer].contains { !(senders[$0.id] ?? []).isSubset(of: ends) }
        if own.socket.type == Self.datagram, place == other || hasStrangers, !own.socket.name.isEmpty,
            !peer.socket.name.isEmpty
        {
            rows[place].connection = .to(peer.id)
            if place != other { rows[other].connection = .to(own.id) }
            return
        }
        rows[place].connection = .mutual
        rows[other].connection = .mutual
        let isNameless = own.socket.name.isEmpty && peer.socket.name.isEmpty
        if isNameless || own.socket.type == Self.datagram {
            rows[place].role = .pair(peer.id)
            rows[other].role = .made
        } else if own.socket.name.isEmpty || (!peer.socket.name.isEmpty && listener(of: peer) != nil) {
            rows[other].role = .accepted(own.id)
        } else {
            rows[place].role = .accepted(peer.id)
        }
    }

    private mutating func orderWaiting() {
        var all = rows.filter { if case .waiting = $0.connection { true } else { false } }
        func rank(_ row: Row) -> Int {
            guard case .waiting(let id) = row.connection else { return 0 }
            return self.row(id).socket.waiting.firstIndex(of: row.socket.inode) ?? .max
        }
        all = all.enumerated().sorted { (rank($0.element), $0.offset) < (rank($1.element), $1.offset) }
            .map(\.element)
        waiting = all
    }
}
