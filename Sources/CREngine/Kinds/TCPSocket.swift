import PolicyModel

/// A TCP socket. See tcp(7).
package enum TCPSocket: FileKind {
    package typealias State = SocketFacts
    package static let tag = FileTag.tcpSocket

    package static func recognise(_ file: OpenFile, in snapshot: Snapshot) -> State? {
        SocketFacts.of(file, .tcp, in: snapshot)
    }

    package static func findings(_ state: State, of file: OpenFile, in context: ScanContext) -> [Finding] {
        let object = context.object(file, peer: state.remote.isEmpty ? nil : state.remote)
        var found: [Finding] = []
        if !state.upperLayer.isEmpty || state.hasSignatures {
            let layer = state.upperLayer.isEmpty ? "signatures (TCP_MD5SIG)" : state.upperLayer
            found.append(Finding(.tcpLayer, object, "tcp \(state.local) with \(layer)"))
        }
        switch state.state {
        case .listen:
            found.append(Finding(.tcpListen, context.object(file), "listening tcp \(state.local)"))
            if state.unread > 0 {
                found.append(waiting(state, file, context))
            }
        case .established, .closeWait, .finWait2:
            found.append(
                Finding(.tcpEstablished, object, "established tcp \(state.local) -> \(state.remote)"))
        case .synSent, .synReceived, .newSynReceived, .finWait1, .lastAck, .closing, .timeWait:
            found.append(Finding(.tcpInFlight, object, "tcp \(state.local) -> \(state.remote), in flight"))
        case .close, nil: break
        }
        return found
    }

    /// Connections that wait for accept(2): their peers believe that they are made, and nobody can read them.
    private static func waiting(_ state: State, _ file: OpenFile, _ context: ScanContext) -> Finding {
        let count = state.unread
        return Finding(
            .tcpInFlight, context.object(file),
            "\(count) connection\(count == 1 ? "" : "s") to tcp \(state.local), not accepted yet",
            severity: context.allow.tcpInFlight == .skip ? .allowed : .block)
    }
}
