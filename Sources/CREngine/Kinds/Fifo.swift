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
        let object = context.object(file)
        var found = NamedFile.findings(state.path, file.facts, file.reach, at: object, in: context)
        let outsiders = context.outsiders(file.inode)
        if !outsiders.isEmpty {
            let peer = outsiders.joined(separator: ", ")
            found.append(
                Finding(
                    .fifo, context.object(file, peer: peer), "named pipe \(state.path), also held by \(peer)")
            )
        }
        return found
    }
}
