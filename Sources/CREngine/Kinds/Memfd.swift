/// A file of memfd_create(2), or an open file of shared anonymous memory.
package enum Memfd: FileKind {
    package struct State: Equatable, Sendable {
        package let name: String
        /// Bytes.
        package let size: UInt64
        /// Whether the kernel's own tmpfs or hugetlbfs holds it and its name is one that can be given again.
        package let isCarried: Bool
    }
    package static let tag = FileTag.memfd

    package static func recognise(_ file: OpenFile, in snapshot: Snapshot) -> State? {
        guard file.reach == .notAPath, file.link.hasPrefix("/"), let facts = file.facts,
            facts.type == .regular
        else { return nil }
        let isNamed = file.link.hasPrefix("/memfd:")
        let isOurs = facts.device == snapshot.sharedMemoryDevice
        let nameless = isOurs ? "/dev/zero" : "/anon_hugepage"
        return State(
            name: String(file.link.dropFirst()), size: facts.size,
            isCarried: isNamed || file.link.hasPrefix(nameless))
    }

    package static func findings(_ state: State, of file: OpenFile, in context: ScanContext) -> [Finding] {
        guard state.isCarried else {
            return [Finding(.memfd, context.object(file), "\(state.name), \(state.size) bytes")]
        }
        let outsiders = context.outsiders(file.inode)
        if outsiders.isEmpty { return [] }
        let peer = outsiders.joined(separator: ", ")
        return [
            Finding(
                .sharedMemoryOutside, context.object(file, peer: peer), "\(state.name), also held by \(peer)")
        ]
    }
}
