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
        let type =
            switch state.type {
            case 1: "stream"
            case 2: "dgram"
            case 5: "seqpacket"
            default: "socket"
            }
        let own = state.local.isEmpty ? "" : " \(state.local)"
        if state.state == .listen {
            return [Finding(.unixListen, context.object(file), "unix \(type)\(own), listening")]
        }
        if state.peerInode != 0, !context.socketInodes.contains(state.peerInode) {
            let holders = context.outsiders(state.peerInode).joined(separator: ", ")
            let name = state.peerName.isEmpty ? "socket \(state.peerInode)" : state.peerName
            let peer = holders.isEmpty ? name : "\(name) of \(holders)"
            return [
                context.leadsOut(
                    .unixOutside, file, "unix \(type)\(own) -> \(peer)", peer: peer)
            ]
        }
        let shared = context.outsiders(state.inode)
        if !shared.isEmpty {
            let peer = shared.joined(separator: ", ")
            return [
                context.leadsOut(
                    .unixOutside, file, "unix \(type)\(own), also held by \(peer)", peer: peer)
            ]
        }
        if state.peerInode != 0 {
            if state.type == 1, state.local.isEmpty, state.peerName.isEmpty { return [] }
            return [
                Finding(
                    .unixPair, context.object(file, peer: "socket:[\(state.peerInode)]"),
                    "unix \(type)\(own) connected inside the tree")
            ]
        }
        return [Finding(.unixSocket, context.object(file), "unix \(type)\(own)")]
    }
}
