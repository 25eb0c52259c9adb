import CPlatform
import Glibc
import PolicyModel

/// The connections of a tree that is being restored: which come back, the lock of the dump, and a lock of our own for
/// the time of the restore, which goes with this process.
final class NetworkRestore {
    /// What becomes of a socket with a peer.
    private enum Fate { case connected, closed }

    private struct Connection {
        var image: InetSocketImage
        var ends: ConnectionLock.Ends
        var isInside: Bool
    }

    /// The one that the tree has of its own, which is locked as a whole.
    let namespace: TreeNetwork
    private let tree: TreeImage
    private let options: RestoreOptions
    private let connections: [Connection]
    /// Places in `connections` by inode of the socket.
    private let places: [UInt32: Int]
    /// Nil where the packet filter could not be asked.
    private let lock: LockState
    private var ownLock: Box?
    /// Sockets in repair, ours, with their SO_REUSEADDR.
    private var held: [(fd: Int32, reusesAddress: Bool, subject: String)] = []

    private enum LockState: Equatable {
        case none
        case listing(String)
        /// Rules of iptables, asked for one by one.
        case rules(held: Set<ConnectionLock.Ends>)
        case gone
        case unknown(String)
        /// Whoever dumped held the connections by other means, or not at all.
        case elsewhere
    }
    /// A noncopyable value in a class that lets it go early.
    private final class Box {
        var lock: NetworkLock?
        init(_ lock: consuming NetworkLock) { self.lock = consume lock }
    }

    init(tree: TreeImage, options: RestoreOptions) {
        namespace = TreeNetwork(tree: tree, options: options)
        self.tree = tree
        self.options = options
        let images = tree.files.compactMap { file -> InetSocketImage? in
            guard case .inetSocket(let image) = file.content, image.isConnection,
                tree.tcpStreams[image.inode] != nil
            else { return nil }
            return image
        }
        let ends = Set(images.map(\.ends))
        connections = images.map {
            Connection(image: $0, ends: $0.ends, isInside: ends.contains($0.ends.reversed))
        }
        places = Dictionary(
            images.enumerated().map { ($0.element.inode, $0.offset) }, uniquingKeysWith: { first, _ in first }
        )
        // With a namespace nobody is left in it who could have answered.
        lock =
            connections.isEmpty
            ? .none : tree.ownNamespaceKinds.contains(.net) ? .elsewhere : Self.look(tree.inventory, ends)
    }

    deinit { for socket in held { _ = Glibc.close(socket.fd) } }

    private static func look(
        _ inventory: InventoryImage, _ connections: Set<ConnectionLock.Ends>
    ) -> LockState {
        do throws(PacketFilter.Failure) {
            switch inventory.networkLockMethod {
            case LockMethod.nftables: break
            case LockMethod.iptables:
                return .rules(held: try IPTables.held(of: connections))
            default: return .elsewhere
            }
            let table = ConnectionLock.tableName(runID: inventory.runID)
            return try NetworkLock.listing(table: table).map { .listing($0) } ?? .gone
        } catch {
            return .unknown(error.description)
        }
    }

    private func isLocked(_ connection: Connection) -> Bool {
        switch lock {
        case .elsewhere: return true
        case .listing(let text):
            return [connection.ends, connection.ends.reversed].contains { text.contains($0.element) }
        case .rules(let held): return held.contains(connection.ends)
        case .none, .gone, .unknown: return false
        }
    }

    private func fate(_ connection: Connection) -> Fate {
        if options.closesConnections || tree.inventory.tcpClose == true { return .closed }
        if connection.isInside || isLocked(connection) { return .connected }
        return options.ifUnlocked == .restore ? .connected : .closed
    }

    /// Whether a socket with a peer comes back with it.
    func comesBack(_ image: InetSocketImage) -> Bool {
        places[image.inode].map { fate(connections[$0]) == .connected } ?? false
    }

    /// Connections that cannot be made, and those whose peer has been free to give up.
    func problems() -> [RestoreError] {
        if options.closesConnections || tree.inventory.tcpClose == true { return [] }
        return unreadable() + unlocked()
    }

    private func unreadable() -> [RestoreError] {
        tree.files.compactMap { file in
            guard case .inetSocket(let image) = file.content, image.isConnection else { return nil }
            if tree.tcpStreams[image.inode] == nil {
                return RestoreError(
                    image.subject, "has no image of its connection (\(ImageName.tcpStream(image.inode)))",
                    remedy: "restore with --tcp-close")
            }
            let halfMade: [UInt32] = [2, 3, 12]
            if halfMade.contains(image.state) {
                return RestoreError(
                    image.subject, "was still being made, which cannot be restored",
                    remedy: "restore with --tcp-close")
            }
            return nil
        }
    }

    private func unlocked() -> [RestoreError] {
        if options.ifUnlocked != .fail { return [] }
        let open = connections.filter { !$0.isInside && !isLocked($0) }
        guard let first = open.first else { return [] }
        let more = open.count == 1 ? "" : " and \(open.count - 1) more"
        let table = ConnectionLock.tableName(runID: tree.inventory.runID)
        let why =
            switch lock {
            case .unknown(let text): text
            case .rules: "its rules of iptables are gone"
            default: "table inet \(table) of nftables is gone"
            }
        return [
            RestoreError(
                "\(first.image.subject)\(more)",
                "is not locked any more (\(why)), so its peer may have given it up",
                remedy: "restore with --tcp-close, or set restore: {if-unlocked: close}")
        ]
    }

    /// Before the first socket is made: nothing of the connections goes out until `release`.
    func begin() throws(RestoreError) {
        if namespace.isOwn { return }
        var wanted = connections.filter { fate($0) == .connected }.map(\.ends)
        // A host whose connections are held by iptables may have no nftables.
        if case .rules(let held) = lock { wanted.removeAll(where: held.contains) }
        if wanted.isEmpty { return }
        let lock = ConnectionLock(
            table: "crplan-restore-\(getpid())", connections: wanted.sorted { $0.element < $1.element })
        do throws(PacketFilter.Failure) {
            ownLock = Box(try NetworkLock(lock))
        } catch {
            throw RestoreError("connections", "cannot be locked by nftables: \(error)")
        }
    }

    /// Keeps a socket in repair until `release`.
    func hold(_ fd: Int32, _ image: InetSocketImage) throws(RestoreError) {
        let copy = try RestoreError.about(image.subject, "cannot be duplicated") { () throws(Errno) in
            try systemCall(CP_SYS_fcntl, Int(fd), Int(F_DUPFD_CLOEXEC), 3)
        }
        held.append((Int32(copy), image.options.reusesAddress ?? false, image.subject))
    }

    /// The tree is about to run: traffic first, then the sockets, which ask their peers where they are.
    func release() throws(RestoreError) {
        try namespace.release()
        do throws(PacketFilter.Failure) {
            switch lock {
            case .listing:
                _ = try NetworkLock.remove(
                    table: ConnectionLock.tableName(runID: tree.inventory.runID))
            // All of them: of one whose lock is not whole, what is left of it.
            case .rules: try IPTables.remove(connections.map(\.ends))
            case .none, .gone, .unknown, .elsewhere: break
            }
            if let own = ownLock?.lock.take() { try own.release() }
        } catch {
            throw RestoreError("connections", "cannot be unlocked: \(error)")
        }
        for socket in held {
            try RestoreError.about(socket.subject, "cannot be taken out of repair") { () throws(Errno) in
                try TCPRepair.leaveProbing(socket.fd, reusesAddress: socket.reusesAddress)
            }
            _ = Glibc.close(socket.fd)
        }
        held = []
    }
}

extension InetSocketImage {
    var ends: ConnectionLock.Ends { ConnectionLock.Ends(local: local, remote: remote) }
}
