/// An open named pipe.
package enum Fifo: FileKind {
    package struct State: Equatable, Sendable {
        package let path: String
    }
    package static let tag = FileTag.fifo

    package static func recognise(_ file: OpenFile, in snapshot: Snapshot) -> State? {
        file.facts?.type == .fifo ? State(path: file.link) : nil
    }

    package static func findings(_ state: State, of file: OpenFile, in context: ScanContext) -> [Finding] {
        [Finding(.fifo, context.object(file), "named pipe \(state.path)")]
    }
}
