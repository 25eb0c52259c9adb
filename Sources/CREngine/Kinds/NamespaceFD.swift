/// A descriptor of a namespace. See namespaces(7).
package enum NamespaceFD: FileKind {
    package struct State: Equatable, Sendable {
        package let kind: NamespaceKind
        package let inode: UInt64

        /// Somebody of the tree who is in it. It is by him that a restore finds it again.
        func member(in snapshot: Snapshot) -> TaskFacts? {
            snapshot.tasks.first { $0.namespaces[keyPath: kind.place] == inode }
        }
    }
    package static let tag = FileTag.namespaceFD

    package static func recognise(_ file: OpenFile, in snapshot: Snapshot) -> State? {
        guard file.reach == .notAPath, let colon = file.link.firstIndex(of: ":"),
            let kind = NamespaceKind(rawValue: String(file.link[..<colon]))
        else { return nil }
        return State(kind: kind, inode: file.inode)
    }

    package static func findings(_ state: State, of file: OpenFile, in context: ScanContext) -> [Finding] {
        if state.member(in: context.snapshot) != nil { return [] }
        return [
            Finding(
                .namespaceFD, context.object(file),
                "\(state.kind.name) namespace \(state.inode), in which no process of the tree is")
        ]
    }
}
