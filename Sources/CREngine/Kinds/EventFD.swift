/// An event counter. See eventfd(2).
package enum EventFD: FileKind {
    package struct State: Equatable, Sendable {
        /// The counter.
        package let count: UInt64
    }
    package static let tag = FileTag.eventFD

    package static func recognise(_ file: OpenFile, in snapshot: Snapshot) -> State? {
        guard file.link.hasPrefix("anon_inode:[eventfd]") else { return nil }
        return State(count: file.info.detail("eventfd-count").flatMap { UInt64($0, radix: 16) } ?? 0)
    }

    package static func findings(_ state: State, of file: OpenFile, in context: ScanContext) -> [Finding] {
        [Finding(.eventFD, context.object(file), "eventfd, counter \(state.count)")]
    }
}
