package import PolicyModel

/// What a dump makes of one TCP socket.
package enum TCPTreatment: Equatable, Sendable {
    /// No connection: its address and options are all of it.
    case plain
    /// Read by TCP_REPAIR; both ends are inside the tree.
    case inside
    /// Read by TCP_REPAIR; its lock stays until the restore.
    case keep
    /// Written as a closed socket.
    case close
    case deny

    /// Decided by states and addresses alone, so that a frozen tree is judged like a running one.
    package static func of(
        _ socket: SocketFacts, _ connections: Set<ConnectionLock.Ends>, allow: Allowances
    ) -> TCPTreatment {
        switch socket.state {
        case .listen, .close, nil: return .plain
        case .synSent, .synReceived, .newSynReceived, .timeWait:
            return allow.tcpInFlight == .skip ? .close : .deny
        case .established, .finWait1, .finWait2, .closeWait, .lastAck, .closing: break
        }
        guard let ends = socket.ends else { return .deny }
        if connections.contains(ends.reversed) { return .inside }
        switch allow.tcpEstablished {
        case .denied: return .deny
        case .all: return .keep
        case .rules(let rules):
            let rule = rules.first {
                $0.matches(
                    peer: ends.remote.address, peerPort: ends.remote.port, localPort: ends.local.port)
            }
            switch rule?.action {
            case .keep: return .keep
            case .close: return .close
            case .deny, nil: return .deny
            }
        }
    }
}

extension SocketFacts {
    /// Of a connection of TCP.
    package var ends: ConnectionLock.Ends? {
        guard family == .tcp, !localAddress.isEmpty, !remoteAddress.isEmpty else { return nil }
        return ConnectionLock.Ends(
            local: InetEndpoint(address: localAddress, port: localPort),
            remote: InetEndpoint(address: remoteAddress, port: remotePort))
    }
}

extension Snapshot {
    /// What becomes of each TCP socket, by its inode.
    package func treatments(allow: Allowances) -> [UInt64: TCPTreatment] {
        let connections = connections
        return sockets.filter { $0.value.family == .tcp }.mapValues {
            TCPTreatment.of($0, connections, allow: allow)
        }
    }

    /// The connections that a dump reads, and must hold still for that.
    package func lockable(allow: Allowances) -> Set<ConnectionLock.Ends> {
        let read: Set<TCPTreatment> = [.keep, .inside]
        return Set(
            treatments(allow: allow).compactMap { inode, treatment in
                read.contains(treatment) ? sockets[inode]?.ends : nil
            })
    }

    /// Ends of all connections of the tree, those in flight not counted.
    package var connections: Set<ConnectionLock.Ends> {
        Set(
            sockets.values.compactMap { socket in
                switch socket.state {
                case .established, .finWait1, .finWait2, .closeWait, .lastAck, .closing: socket.ends
                default: nil
                }
            })
    }
}
