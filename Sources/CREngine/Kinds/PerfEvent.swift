/// A performance counter. See perf_event_open(2).
package enum PerfEvent: FileKind {
    package struct State: Equatable, Sendable {
        /// As the kernel names it.
        package let link: String
    }
    package static let tag = FileTag.perfEvent

    package static func recognise(_ file: OpenFile, in snapshot: Snapshot) -> State? {
        guard file.link.hasPrefix("anon_inode:[perf_event]") else { return nil }
        return State(link: file.link)
    }

    package static func findings(_ state: State, of file: OpenFile, in context: ScanContext) -> [Finding] {
        [Finding(.perfEvent, context.object(file), "performance counter")]
    }
}
