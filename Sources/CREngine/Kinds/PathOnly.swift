/// A descriptor of open(2) with O_PATH: it names a file and opens nothing.
package enum PathOnly: FileKind {
    package struct State: Equatable, Sendable {
        package let path: String
        package let type: FileFacts.FileType
    }
    package static let tag = FileTag.pathOnly

    package static func recognise(_ file: OpenFile, in snapshot: Snapshot) -> State? {
        guard file.isPathOnly else { return nil }
        return State(path: file.link, type: file.facts?.type ?? .none)
    }

    package static func findings(_ state: State, of file: OpenFile, in context: ScanContext) -> [Finding] {
        if PseudoFile.isPseudo(file), let path = ProcessPath(state.path) {
            return path.hindrance(file, in: context.snapshot).map {
                [Finding(.pathOnlyObject, context.object(file), "path-only \(state.path), \($0)")]
            } ?? []
        }
        // Any name can be had again; of what has none, only these can be made again.
        let isMadeAgain = [.regular, .directory, .fifo].contains(state.type)
        guard file.reach != .notAPath, file.reach == .same || isMadeAgain else {
            return [Finding(.pathOnlyObject, context.object(file), "path-only \(state.path)")]
        }
        return NamedFile.findings(
            file.link, file.facts, file.reach, at: context.object(file), in: context)
    }
}
