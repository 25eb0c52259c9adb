/// A file of memfd_create(2), or an open file of shared anonymous memory.
package enum Memfd: FileKind {
    package struct State: Equatable, Sendable {
        package let name: String
        /// Bytes.
        package let size: UInt64
    }
    package static let tag = FileTag.memfd

    package static func recognise(_ file: OpenFile, in snapshot: Snapshot) -> State? {
        guard file.reach == .notAPath, file.link.hasPrefix("/"), file.facts?.type == .regular else {
            return nil
        }
        return State(name: String(file.link.dropFirst()), size: file.facts?.size ?? 0)
    }

    package static func findings(_ state: State, of file: OpenFile, in context: ScanContext) -> [Finding] {
        [Finding(.memfd, context.object(file), "\(state.name), \(state.size) bytes")]
    }
}
