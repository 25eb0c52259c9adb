import PolicyModel

/// A unix socket. See unix(7).
package enum UnixSocket: FileKind {
    package typealias State = SocketFacts
    package static let tag = FileTag.unixSocket

    package static func recognise(_ file: OpenFile, in snapshot: Snapshot) -> State? {
        guard file.link.hasPrefix("socket:["), let socket = snapshot.sockets[file.inode],
            socket.family == .unix
        else { return nil }
        return socket
    }

    package static func findings(_ state: State, of file: OpenFile, in context: ScanContext) -> [Finding] {
        passed(state, file, context) + whole(state, file, context)
    }

    /// What they are only the frozen tree shows.
    private static func passed(_ state: State, _ file: OpenFile, _ context: ScanContext) -> [Finding] {
        guard let count = file.info.detail("scm_fds").flatMap({ Int($0) }), count > 0 else { return [] }
        let name = state.local.isEmpty ? "" : " \(state.local)"
        return [
            Finding(
                .passedDescriptor, context.object(file),
                "\(count) in messages to unix \(typeName(state.type))\(name)", severity: .info)
        ]
    }

    private static func whole(_ state: State, _ file: OpenFile, _ context: ScanContext) -> [Finding] {
        let what = "unix \(typeName(state.type))" + (state.local.isEmpty ? "" : " \(state.local)")
        guard let facts = state.unix else { return [Finding(.unixSocket, context.object(file), what)] }
        let shared = context.outsiders(state.inode)
        if !shared.isEmpty {
            let peer = shared.joined(separator: ", ")
            return [context.leadsOut(.unixOutside, file, "\(what), also held by \(peer)", peer: peer)]
        }
        if state.state == .listen { return listening(state, facts, what, file, context) }
        switch UnixPeer(of: state, in: context) {
        case .none, .inside, .gone, .inFlight: return []
        case .waiting(let listener?): return waiting(facts, listener, what, file, context)
        case .waiting(nil):
            return [
                context.leadsOut(
                    .unixOutside, file, "\(what) -> a server that has not accepted it yet", peer: nil)
            ]
        case .outside(let holders):
            return outside(state, facts, what, holders, file, context)
        }
    }

    private static func listening(
        _ state: State, _ facts: UnixSocketFacts, _ what: String, _ file: OpenFile, _ context: ScanContext
    ) -> [Finding] {
        var found = [Finding(.unixListen, context.object(file), "\(what), listening")]
        let strangers = facts.waiting.filter { !context.socketInodes.contains(UInt64($0)) }
        if !strangers.isEmpty {
            let clients = strangers.flatMap { context.outsiders(UInt64($0)) }
            let from = clients.isEmpty ? "" : " from \(clients.joined(separator: ", "))"
            found.append(
                Finding(
                    .unixBacklog, context.object(file),
                    "\(what), with \(strangers.count) waiting connections\(from)"))
        }
        return found
    }

    /// What a client has sent before it was accepted is in a socket that nobody has a descriptor of.
    private static func waiting(
        _ facts: UnixSocketFacts, _ listener: SocketFacts, _ what: String, _ file: OpenFile,
        _ context: ScanContext
    ) -> [Finding] {
        if facts.sendQueue == 0 { return [] }
        return [
            Finding(
                .unixBacklog, context.object(file, peer: listener.local),
                "\(what) -> \(listener.local), not accepted yet, with unread data")
        ]
    }

    private static func outside(
        _ state: State, _ facts: UnixSocketFacts, _ what: String, _ holders: [String], _ file: OpenFile,
        _ context: ScanContext
    ) -> [Finding] {
        let name = state.peerName.isEmpty ? "socket \(state.peerInode)" : state.peerName
        let peer = holders.isEmpty ? name : "\(name) of \(holders.joined(separator: ", "))"
        let text = "\(what) -> \(peer)"
        let datagram: UInt32 = 2
        let hasName = state.peerName.hasPrefix("/") || state.peerName.hasPrefix("@")
        let isAmidExchange = state.type != datagram && (facts.receiveQueue > 0 || facts.sendQueue > 0)
        switch UnixPeer.onRestore(state, allow: context.allow) {
        case nil:
            var finding = context.leadsOut(.unixOutside, file, text, peer: peer)
            if finding.code == .unixOutside {
                finding.remedy = remedy(state, hasName && !isAmidExchange ? .reconnect : .close)
            }
            guard let rule = streamRule(state, of: file, in: context) else { return [finding] }
            if facts.receiveQueue > 0 {
                return [Finding(.unixOutsideData, context.object(file, peer: peer), text)]
            }
            return [rule.allowed(finding)]
        case .close:
            return [
                Finding(
                    .unixOutside, context.object(file, peer: peer), "\(text), closed at restore",
                    severity: .allowed, remedy: remedy(state, .close))
            ]
        case .reconnect:
            let object = context.object(file, peer: peer)
            let isGiven = UnixPeer.isGiven(state, allow: context.allow)
            if !isGiven && !hasName {
                return [Finding(.unixNameless, object, text, remedy: remedy(state, .close))]
            }
            if isAmidExchange {
                return [Finding(.unixOutsideData, object, text, remedy: remedy(state, .close))]
            }
            return [
                Finding(
                    .unixOutside, object, "\(text), reconnected at restore", severity: .allowed,
                    remedy: remedy(state, .reconnect))
            ]
        }
    }

    /// What the rules for standard streams make of a connection to the outside.
    static func streamRule(
        _ state: State, of file: OpenFile, in context: ScanContext
    ) -> OutsideStreams.Rule? {
        let stream: UInt32 = 1
        guard state.type == stream, UnixPeer.onRestore(state, allow: context.allow) == nil else { return nil }
        return OutsideStreams.rule(of: file, kind: .streamSocket, in: context)
    }

    /// The rule that allows it.
    private static func remedy(_ state: State, _ action: UnixSocketRule.OnRestore) -> String {
        let path = state.peerName.isEmpty ? "" : "path: \"\(state.peerName)\", "
        let type = "type: \(typeName(state.type)), on-restore: \(action.rawValue)"
        return "allow: {ext-unix-sk: [{\(path)\(type)}]}"
    }

    /// By the number that socket(2) knows.
    static func typeName(_ type: UInt32) -> String {
        switch type {
        case 1: "stream"
        case 2: "dgram"
        case 5: "seqpacket"
        default: "socket"
        }
    }
}
