/// A program, map or link of bpf(2).
package enum BPFObject: FileKind {
    package struct State: Equatable, Sendable {
        /// As the kernel names it.
        package let link: String
    }
    package static let tag = FileTag.bpf

    package static func recognise(_ file: OpenFile, in snapshot: Snapshot) -> State? {
        guard file.link.hasPrefix("anon_inode:bpf") else { return nil }
        return State(link: file.link)
    }

    package static func findings(_ state: State, of file: OpenFile, in context: ScanContext) -> [Finding] {
        [Finding(.bpf, context.object(file), state.link)]
    }
}
