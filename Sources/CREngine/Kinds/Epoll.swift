/// An epoll set. See epoll(7).
package enum Epoll: FileKind {
    package struct State: Equatable, Sendable {
        /// Members as the kernel shows them; `Snapshot.epollTargets` says what they are.
        package let targets: Int
    }
    package static let tag = FileTag.epoll

    package static func recognise(_ file: OpenFile, in snapshot: Snapshot) -> State? {
        guard file.link.hasPrefix("anon_inode:[eventpoll]") else { return nil }
        return State(targets: file.info.details.count { $0.hasPrefix("tfd:") })
    }

    /// One finding for each member that no task of the tree has open any more.
    package static func findings(_ state: State, of file: OpenFile, in context: ScanContext) -> [Finding] {
        (context.snapshot.epollTargets[file.id] ?? []).filter { $0.file == nil }.map { target in
            var object = context.object(file)
            object.inode = target.row.inode
            return Finding(
                .epoll, object,
                "epoll set that watches inode \(target.row.inode), added as fd \(target.row.fd) and closed since"
            )
        }
    }
}
