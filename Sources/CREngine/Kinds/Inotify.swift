/// Watches of files. See inotify(7).
package enum Inotify: FileKind {
    package struct State: Equatable, Sendable {
        /// Files that it watches.
        package let watches: Int
    }
    package static let tag = FileTag.inotify

    package static func recognise(_ file: OpenFile, in snapshot: Snapshot) -> State? {
        guard file.link.hasPrefix("anon_inode:inotify") else { return nil }
        return State(watches: file.info.details.count { $0.hasPrefix("inotify") })
    }

    package static func findings(_ state: State, of file: OpenFile, in context: ScanContext) -> [Finding] {
        [Finding(.inotify, context.object(file), "inotify of \(state.watches) watches")]
    }
}
