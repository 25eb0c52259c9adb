/// A TCP socket. See tcp(7).
package enum TCPSocket: FileKind {
    package typealias State = SocketFacts
    package static let tag = FileTag.tcpSocket

    package static func recognise(_ file: OpenFile, in snapshot: Snapshot) -> State? {
        guard file.link.hasPrefix("socket:["), let socket = snapshot.sockets[file.inode],
            socket.family == .tcp
        else { return nil }
        return socket
    }

    package static func findings(_ state: State, of file: OpenFile, in context: ScanContext) -> [Finding] {
        let object = context.object(file, peer: state.remote.isEmpty ? nil : state.remote)
        switch state.state {
        case .listen:
            return [Finding(.tcpListen, context.object(file), "listening tcp \(state.local)")]
        case .established, .closeWait, .finWait2:
            return [Finding(.tcpEstablished, object, "established tcp \(state.local) -> \(state.remote)")]
        case .synSent, .synReceived, .newSynReceived, .finWait1, .lastAck, .closing, .timeWait:
            return [Finding(.tcpInFlight, object, "tcp \(state.local) -> \(state.remote), in flight")]
        case .close, nil:
            return [Finding(.tcpIdle, context.object(file), "\(state.protocolName) socket, not connected")]
        }
    }
}
