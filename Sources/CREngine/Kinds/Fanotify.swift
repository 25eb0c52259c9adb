/// Watches of file systems. See fanotify(7).
package enum Fanotify: FileKind {
    package struct State: Equatable, Sendable {
        /// Marks that it has.
        package let marks: Int
    }
    package static let tag = FileTag.fanotify

    package static func recognise(_ file: OpenFile, in snapshot: Snapshot) -> State? {
        guard file.link.hasPrefix("anon_inode:[fanotify]") else { return nil }
        return State(
            marks: file.info.details.count { $0.hasPrefix("fanotify ") && !$0.hasPrefix("fanotify flags") })
    }

    package static func findings(_ state: State, of file: OpenFile, in context: ScanContext) -> [Finding] {
        [Finding(.fanotify, context.object(file), "fanotify of \(state.marks) marks")]
    }
}
