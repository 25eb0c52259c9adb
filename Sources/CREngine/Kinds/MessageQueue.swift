/// A POSIX message queue. See mq_overview(7).
package enum MessageQueue: FileKind {
    package struct State: Equatable, Sendable {
        package let path: String
    }
    package static let tag = FileTag.messageQueue

    package static func recognise(_ file: OpenFile, in snapshot: Snapshot) -> State? {
        // The kernel's own mount of it is in no mount table; its files show a line of their own.
        file.fileSystem == "mqueue" || file.info.details.contains { $0.hasPrefix("QSIZE:") }
            ? State(path: file.link) : nil
    }

    package static func findings(_ state: State, of file: OpenFile, in context: ScanContext) -> [Finding] {
        [Finding(.messageQueue, context.object(file), "message queue \(state.path)")]
    }
}
