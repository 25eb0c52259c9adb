/// A UDP socket. See udp(7).
package enum UDPSocket: FileKind {
    package typealias State = SocketFacts
    package static let tag = FileTag.udpSocket

    package static func recognise(_ file: OpenFile, in snapshot: Snapshot) -> State? {
        guard file.link.hasPrefix("socket:["), let socket = snapshot.sockets[file.inode],
            socket.family == .udp
        else { return nil }
        return socket
    }

    package static func findings(_ state: State, of file: OpenFile, in context: ScanContext) -> [Finding] {
        let own = state.local.isEmpty ? "not bound" : state.local
        let far = state.state == .established ? " -> \(state.remote)" : ""
        return [Finding(.udp, context.object(file), "udp \(own)\(far)")]
    }
}
