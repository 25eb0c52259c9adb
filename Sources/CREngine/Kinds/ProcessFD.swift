/// A descriptor of a process. See pidfd_open(2).
package enum ProcessFD: FileKind {
    package struct State: Equatable, Sendable {
        /// The process; -1 when it has ended.
        package let pid: String
    }
    package static let tag = FileTag.pidFD

    package static func recognise(_ file: OpenFile, in snapshot: Snapshot) -> State? {
        guard file.link.hasPrefix("anon_inode:[pidfd]") || file.link.hasPrefix("pidfd:") else { return nil }
        return State(pid: file.info.detail("Pid") ?? "?")
    }

    package static func findings(_ state: State, of file: OpenFile, in context: ScanContext) -> [Finding] {
        [Finding(.pidFD, context.object(file), "pidfd of process \(state.pid)")]
    }
}
