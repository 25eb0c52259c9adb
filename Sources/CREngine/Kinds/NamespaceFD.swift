/// A descriptor of a namespace. See namespaces(7).
package enum NamespaceFD: FileKind {
    package struct State: Equatable, Sendable {
        /// `net`, `mnt`…
        package let kind: String
        package let inode: UInt64
    }
    package static let tag = FileTag.namespaceFD

    package static func recognise(_ file: OpenFile, in snapshot: Snapshot) -> State? {
        guard file.reach == .notAPath, let colon = file.link.firstIndex(of: ":"),
            Namespaces.kinds.contains(where: { $0.name == file.link[..<colon] })
        else { return nil }
        return State(kind: String(file.link[..<colon]), inode: file.inode)
    }

    package static func findings(_ state: State, of file: OpenFile, in context: ScanContext) -> [Finding] {
        [Finding(.namespaceFD, context.object(file), "\(state.kind) namespace \(state.inode)")]
    }
}
