/// A descriptor of a process or of a thread. See pidfd_open(2).
package enum ProcessFD: FileKind {
    package struct State: Equatable, Sendable {
        /// -1 where it has ended and was waited for, 0 where it is in a pid namespace that we do not see.
        package let pid: Int32
        /// PIDFD_THREAD
        package let isOfThread: Bool
    }
    package static let tag = FileTag.pidFD
    private static let threadFlag: UInt32 = 0o200

    package static func recognise(_ file: OpenFile, in snapshot: Snapshot) -> State? {
        guard file.link.hasPrefix("anon_inode:[pidfd]") || file.link.hasPrefix("pidfd:") else { return nil }
        return State(
            pid: file.info.detail("Pid").flatMap { Int32($0) } ?? 0,
            isOfThread: file.info.flags & threadFlag != 0)
    }

    package static func findings(_ state: State, of file: OpenFile, in context: ScanContext) -> [Finding] {
        if state.pid == -1 {
            // Its stand-in ends in our namespace, from which signals are refused another way.
            if !context.snapshot.ownNamespaceKinds.contains(.pid) { return [] }
            let what = "an ended process, within a pid namespace"
            return [Finding(.pidFD, context.object(file, peer: what), "pidfd of \(what)")]
        }
        let isInside = context.snapshot.tasks.contains { task in
            task.pid.rawValue == state.pid
                || state.isOfThread && task.threads.contains { $0.tid.rawValue == state.pid }
        }
        if isInside { return [] }
        let what = state.pid == 0 ? "a process in another pid namespace" : "process \(state.pid)"
        return [Finding(.pidFD, context.object(file, peer: what), "pidfd of \(what)")]
    }
}
