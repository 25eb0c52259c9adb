/// Page faults read as a file. See userfaultfd(2).
package enum UserfaultFD: FileKind {
    package struct State: Equatable, Sendable {
        /// As the kernel names it.
        package let link: String
    }
    package static let tag = FileTag.userfaultFD

    package static func recognise(_ file: OpenFile, in snapshot: Snapshot) -> State? {
        guard file.link.hasPrefix("anon_inode:[userfaultfd]") else { return nil }
        return State(link: file.link)
    }

    package static func findings(_ state: State, of file: OpenFile, in context: ScanContext) -> [Finding] {
        [Finding(.userfaultFD, context.object(file), "userfaultfd")]
    }
}
