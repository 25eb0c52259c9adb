/// An open directory.
package enum Directory: FileKind {
    package struct State: Equatable, Sendable {
        package let path: String
        /// A cookie of the file system, not bytes.
        package let position: UInt64
    }
    package static let tag = FileTag.directory

    package static func recognise(_ file: OpenFile, in snapshot: Snapshot) -> State? {
        guard file.facts?.type == .directory, file.reach != .notAPath else { return nil }
        return State(path: file.link, position: file.info.position)
    }

    package static func findings(_ state: State, of file: OpenFile, in context: ScanContext) -> [Finding] {
        if let given = ExternalFile.findings(file, in: context) { return given }
        return NamedFile.findings(file.link, file.facts, file.reach, at: context.object(file), in: context)
    }
}
