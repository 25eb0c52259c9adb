/// A regular file, with or without a name.
package enum RegularFile: FileKind {
    package struct State: Equatable, Sendable {
        package let path: String
        /// No name is left: it travels in the image.
        package let isGhost: Bool
        /// Bytes.
        package let position: UInt64
    }
    package static let tag = FileTag.regularFile

    package static func recognise(_ file: OpenFile, in snapshot: Snapshot) -> State? {
        guard file.facts?.type == .regular, file.reach != .notAPath else { return nil }
        return State(path: file.link, isGhost: file.isDeleted, position: file.info.position)
    }

    package static func findings(_ state: State, of file: OpenFile, in context: ScanContext) -> [Finding] {
        if let given = ExternalFile.findings(file, in: context) { return given }
        return NamedFile.findings(file.link, file.facts, file.reach, at: context.object(file), in: context)
    }
}
