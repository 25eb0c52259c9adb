/// A socket of UDP or UDP-Lite. See udp(7) and udplite(7).
package enum UDPSocket: FileKind {
    package typealias State = SocketFacts
    package static let tag = FileTag.udpSocket

    package static func recognise(_ file: OpenFile, in snapshot: Snapshot) -> State? {
        SocketFacts.of(file, .udp, in: snapshot)
    }

    package static func findings(_ state: State, of file: OpenFile, in context: ScanContext) -> [Finding] {
        let unread = DatagramQueue.findings(state, of: file, in: context)
        if state.unsent == 0 { return unread }
        let far = state.remote.isEmpty ? "" : " -> \(state.remote)"
        let what = "\(state.protocolName) \(state.local)\(far), \(state.unsent) bytes of memory"
        return [Finding(.heldDatagram, context.object(file), what)] + unread
    }
}

/// A raw socket, or one for ICMP echoes. See raw(7) and icmp(7).
package enum RawSocket: FileKind {
    package typealias State = SocketFacts
    package static let tag = FileTag.rawSocket

    package static func recognise(_ file: OpenFile, in snapshot: Snapshot) -> State? {
        SocketFacts.of(file, .raw, in: snapshot) ?? SocketFacts.of(file, .ping, in: snapshot)
    }

    package static func findings(_ state: State, of file: OpenFile, in context: ScanContext) -> [Finding] {
        DatagramQueue.findings(state, of: file, in: context)
    }
}

/// Datagrams of the network that were not read yet: they are dropped, as the network itself may do.
enum DatagramQueue {
    static func findings(_ state: SocketFacts, of file: OpenFile, in context: ScanContext) -> [Finding] {
        let shared = SharedSocket.findings(state, of: file, in: context)
        if state.unread == 0 { return shared }
        let own = state.local.isEmpty ? "" : " \(state.local)"
        let what = "unread datagrams of \(state.protocolName)\(own)"
        return shared + [Finding(.datagramsLost, context.object(file), what)]
    }
}

extension SocketFacts {
    /// The facts of an open file that is a socket of this family.
    static func of(_ file: OpenFile, _ family: Family, in snapshot: Snapshot) -> SocketFacts? {
        guard file.link.hasPrefix("socket:["), let socket = snapshot.sockets[file.inode],
            socket.family == family
        else { return nil }
        return socket
    }
}
