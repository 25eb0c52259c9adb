/// An event counter. See eventfd(2).
package enum EventFD: FileKind {
    package struct State: Equatable, Sendable {
        /// The counter.
        package let count: UInt64
        /// EFD_SEMAPHORE; kernels before 6.4 do not tell, and it is taken for unset.
        package let isSemaphore: Bool
    }
    package static let tag = FileTag.eventFD

    package static func recognise(_ file: OpenFile, in snapshot: Snapshot) -> State? {
        guard file.link.hasPrefix("anon_inode:[eventfd]") else { return nil }
        return State(
            count: file.info.detail("eventfd-count").flatMap { UInt64($0, radix: 16) } ?? 0,
            isSemaphore: file.info.detail("eventfd-semaphore") == "1")
    }

    package static func findings(_ state: State, of file: OpenFile, in context: ScanContext) -> [Finding] {
        []
    }
}
