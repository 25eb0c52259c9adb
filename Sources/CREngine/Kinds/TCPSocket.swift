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
        if state.state == .listen {
            found.append(Finding(.tcpListen, context.object(file), "listening tcp \(state.local)"))
            if state.unread > 0 { found.append(waiting(state, file, context)) }
            found += SharedSocket.findings(state, of: file, in: context)
            return found
        }
        let treatment = TCPTreatment.of(state, context.connections, allow: context.allow)
        if treatment == .plain { return found }
        let severity: Finding.Severity = treatment == .deny ? .block : .allowed
        let ends = "tcp \(state.local) -> \(state.remote)"
        switch state.state {
        case .synSent, .synReceived, .newSynReceived, .timeWait:
            found.append(Finding(.tcpInFlight, object, "\(ends), in flight", severity: severity))
        default:
            if treatment != .close { found += SharedSocket.findings(state, of: file, in: context) }
            if treatment == .inside { return found }
            found.append(
                Finding(
                    .tcpEstablished, object, "established \(ends)", severity: severity,
                    remedy: remedy(state)))
        }
        return found
    }

    /// The narrowest rule that lets this connection pass.
    private static func remedy(_ state: State) -> String? {
        guard let ends = state.ends else { return nil }
        let host = ends.remote.host
        return
            "allow: {tcp-established: [{peer: \"\(host)\", peer-port: \(ends.remote.port), action: keep}]}"
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
