/// What no other row recognises: it always blocks, and says what was seen.
package enum UnknownFile: FileKind {
    package struct State: Equatable, Sendable {
        package let link: String
        package let mode: UInt32?
    }
    package static let tag = FileTag.unknown

    package static func recognise(_ file: OpenFile, in snapshot: Snapshot) -> State? {
        State(link: file.link, mode: file.facts?.mode)
    }

    package static func findings(_ state: State, of file: OpenFile, in context: ScanContext) -> [Finding] {
        let mode = state.mode.map { "mode 0\(String($0, radix: 8))" } ?? "no status"
        return [Finding(.unknownFile, context.object(file), "\(state.link) (\(mode))")]
    }
}
