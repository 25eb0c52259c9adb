/// Rings of io_uring_setup(2).
package enum IOURing: FileKind {
    package struct State: Equatable, Sendable {
        /// As the kernel names it.
        package let link: String
    }
    package static let tag = FileTag.ioURing

    package static func recognise(_ file: OpenFile, in snapshot: Snapshot) -> State? {
        guard file.link.hasPrefix("anon_inode:[io_uring]") || file.link.hasPrefix("anon_inode:[io_ring]")
        else { return nil }
        return State(link: file.link)
    }

    package static func findings(_ state: State, of file: OpenFile, in context: ScanContext) -> [Finding] {
        [Finding(.ioURing, context.object(file), "io_uring")]
    }
}
