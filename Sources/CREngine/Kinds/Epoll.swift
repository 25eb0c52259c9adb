/// An epoll set. See epoll(7).
package enum Epoll: FileKind {
    package struct State: Equatable, Sendable {
        /// Descriptors that it watches.
        package let targets: Int
    }
    package static let tag = FileTag.epoll

    package static func recognise(_ file: OpenFile, in snapshot: Snapshot) -> State? {
        guard file.link.hasPrefix("anon_inode:[eventpoll]") else { return nil }
        return State(targets: file.info.details.count { $0.hasPrefix("tfd:") })
    }

    package static func findings(_ state: State, of file: OpenFile, in context: ScanContext) -> [Finding] {
        [Finding(.epoll, context.object(file), "epoll set of \(state.targets) descriptors")]
    }
}
