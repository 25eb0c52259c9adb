/// A socket of any other family or protocol: MPTCP, SCTP, vsock, AF_ALG, XDP…
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
        let name = state.protocolName
        if name.hasPrefix("MPTCP") {
            return [Finding(.multipathTCP, context.object(file), "\(name) socket")]
        }
        let known = [
            "AF_VSOCK": "vsock (to or from a virtual machine)", "ALG": "AF_ALG (cryptography of the kernel)",
            "XDP": "AF_XDP", "SCTP": "SCTP", "SCTPv6": "SCTP", "TIPC": "TIPC", "SMC": "SMC", "SMC6": "SMC",
            "DCCP": "DCCP", "DCCPv6": "DCCP", "KEY": "AF_KEY (IPsec)", "CAN_RAW": "CAN", "CAN_BCM": "CAN",
            "RDS": "RDS", "NFC": "NFC", "": "unnamed protocol",
        ]
        return [Finding(.otherSocket, context.object(file), "\(known[name] ?? name) socket")]
    }
}
