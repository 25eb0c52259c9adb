/// Any other object that the kernel shows as anon_inode.
package enum AnonymousInode: FileKind {
    package struct State: Equatable, Sendable {
        /// As the kernel names it.
        package let link: String
    }
    package static let tag = FileTag.anonymousInode

    package static func recognise(_ file: OpenFile, in snapshot: Snapshot) -> State? {
        guard file.link.hasPrefix("anon_inode:") else { return nil }
        return State(link: file.link)
    }

    package static func findings(_ state: State, of file: OpenFile, in context: ScanContext) -> [Finding] {
        [Finding(.anonymousInode, context.object(file), state.link)]
    }
}
