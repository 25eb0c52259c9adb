/// A timer read as a file. See timerfd_create(2).
package enum TimerFD: FileKind {
    package struct State: Equatable, Sendable {
        /// A CLOCK_* number.
        package let clock: String
    }
    package static let tag = FileTag.timerFD

    package static func recognise(_ file: OpenFile, in snapshot: Snapshot) -> State? {
        guard file.link.hasPrefix("anon_inode:[timerfd]") else { return nil }
        return State(clock: file.info.detail("clockid") ?? "?")
    }

    package static func findings(_ state: State, of file: OpenFile, in context: ScanContext) -> [Finding] {
        [Finding(.timerFD, context.object(file), "timerfd of clock \(state.clock)")]
    }
}
