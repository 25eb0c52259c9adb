/// A socket of the network that processes outside the tree hold too: it lives on when the tree is gone, with its port and
/// its connection.
enum SharedSocket {
    static func findings(_ state: SocketFacts, of file: OpenFile, in context: ScanContext) -> [Finding] {
        let holders = context.outsiders(state.inode)
        if holders.isEmpty || state.local.isEmpty { return [] }
        let peer = holders.joined(separator: ", ")
        return [
            Finding(
                .sharedSocket, context.object(file, peer: peer),
                "\(state.protocolName) \(state.local), also held by \(peer)")
        ]
    }
}
