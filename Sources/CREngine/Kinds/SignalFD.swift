/// Signals read as a file. See signalfd(2).
package enum SignalFD: FileKind {
    package struct State: Equatable, Sendable {
        /// Bit n-1 is signal n.
        package let mask: UInt64
    }
    package static let tag = FileTag.signalFD

    package static func recognise(_ file: OpenFile, in snapshot: Snapshot) -> State? {
        guard file.link.hasPrefix("anon_inode:[signalfd]") else { return nil }
        return State(mask: file.info.detail("sigmask").flatMap { UInt64($0, radix: 16) } ?? 0)
    }

    package static func findings(_ state: State, of file: OpenFile, in context: ScanContext) -> [Finding] {
        []
    }
}
