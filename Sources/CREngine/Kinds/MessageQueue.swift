/// A POSIX message queue. See mq_overview(7).
package enum MessageQueue: FileKind {
    package struct State: Equatable, Sendable {
        package let path: String
    }
    package static let tag = FileTag.messageQueue

    package static func recognise(_ file: OpenFile, in snapshot: Snapshot) -> State? {
        file.fileSystem == "mqueue" ? State(path: file.link) : nil
    }

    package static func findings(_ state: State, of file: OpenFile, in context: ScanContext) -> [Finding] {
        [Finding(.messageQueue, context.object(file), "message queue \(state.path)")]
    }
}
