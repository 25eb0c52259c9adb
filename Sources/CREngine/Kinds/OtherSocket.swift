/// A socket of any other family: netlink, packet, raw, vsock…
package enum OtherSocket: FileKind {
    package struct State: Equatable, Sendable {
        /// As the kernel calls it; empty if it does not say.
        package let protocolName: String
    }
    package static let tag = FileTag.otherSocket

    package static func recognise(_ file: OpenFile, in snapshot: Snapshot) -> State? {
        guard file.link.hasPrefix("socket:[") || file.facts?.type == .socket else { return nil }
        return State(protocolName: snapshot.sockets[file.inode]?.protocolName ?? "")
    }

    package static func findings(_ state: State, of file: OpenFile, in context: ScanContext) -> [Finding] {
        let code: FindingCode =
            switch state.protocolName {
            case "NETLINK": .netlink
            case "PACKET": .packet
            default: .otherSocket
            }
        let name = state.protocolName.isEmpty ? "unnamed protocol" : state.protocolName
        return [Finding(code, context.object(file), "\(name) socket")]
    }
}
