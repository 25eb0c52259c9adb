/// A socket to parts of the kernel. See netlink(7).
package enum NetlinkSocket: FileKind {
    package typealias State = SocketFacts
    package static let tag = FileTag.netlinkSocket

    package static func recognise(_ file: OpenFile, in snapshot: Snapshot) -> State? {
        SocketFacts.of(file, .netlink, in: snapshot)
    }

    package static func findings(_ state: State, of file: OpenFile, in context: ScanContext) -> [Finding] {
        if state.unread == 0 { return [] }
        return [Finding(.netlinkAnswers, context.object(file), "unread messages of a netlink socket")]
    }
}
