import PolicyModel

/// Where the other end of a unix socket is.
enum UnixPeer: Equatable {
    /// There is none.
    case none
    case inside
    /// It was closed.
    case gone
    /// No process that we see has a descriptor of it: it is in a message.
    case inFlight
    /// It waits in the queue of a listening socket; nil where that is no socket of the tree.
    case waiting(SocketFacts?)
    /// With who holds it.
    case outside([String])

    init(of socket: SocketFacts, in context: ScanContext) {
        if socket.peerInode != 0 {
            let holders = context.outsiders(socket.peerInode)
            self =
                context.socketInodes.contains(socket.peerInode)
                ? .inside : holders.isEmpty && socket.peerName.isEmpty ? .inFlight : .outside(holders)
            return
        }
        guard let facts = socket.unix, facts.hasPeer, socket.state != .listen else {
            self = .none
            return
        }
        let datagram: UInt32 = 2
        if socket.type == datagram {
            self = .gone
        } else if let listener = UnixPeer.listener(of: socket, in: context.snapshot) {
            self = .waiting(listener)
        } else {
            // The kernel shuts both directions of a socket whose peer is closed.
            self = facts.shutdown == 3 ? .gone : .waiting(nil)
        }
    }

    /// The socket of the tree that a client waits at.
    static func listener(of socket: SocketFacts, in snapshot: Snapshot) -> SocketFacts? {
        let inode = UInt32(truncatingIfNeeded: socket.inode)
        return snapshot.sockets.values.first { $0.unix?.waiting.contains(inode) ?? false }
    }

    /// Whether a socket is named one by one (`--external unix[INODE]`): --inherit-fd may give it at restore.
    static func isGiven(_ socket: SocketFacts, allow: Allowances) -> Bool {
        allow.external.contains("unix[\(socket.inode)]")
    }

    /// What the policy makes of an outside end at restore; nil where it is not allowed.
    static func onRestore(_ socket: SocketFacts, allow: Allowances) -> UnixSocketRule.OnRestore? {
        if isGiven(socket, allow: allow) { return .reconnect }
        switch allow.extUnixSockets {
        case .denied: return nil
        case .all: return UnixSocketRule().speaks(of: socket) ? UnixSocketRule().onRestore : nil
        case .rules(let rules): return rules.first { $0.speaks(of: socket) }?.onRestore
        }
    }
}

extension UnixSocketRule {
    /// Whether the rule is about a socket, by its type and its peer's name.
    fileprivate func speaks(of socket: SocketFacts) -> Bool {
        speaks(ofType: socket.type, peerName: socket.peerName)
    }
}
