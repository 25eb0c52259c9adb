/// A socket that sees the frames of interfaces. See packet(7).
package enum PacketSocket: FileKind {
    package typealias State = SocketFacts
    package static let tag = FileTag.packetSocket

    package static func recognise(_ file: OpenFile, in snapshot: Snapshot) -> State? {
        SocketFacts.of(file, .packet, in: snapshot)
    }

    package static func findings(_ state: State, of file: OpenFile, in context: ScanContext) -> [Finding] {
        guard state.packet?.hasRing == true else { return [] }
        return [Finding(.packetRing, context.object(file), "packet socket with a ring buffer")]
    }
}
