package import PolicyModel

/// What of a mount namespace was seen, and what of ours, to tell what of it is ours too.
package struct MountNamespaceFacts: Equatable, Sendable {
    /// Inode of the namespace.
    package var namespace: UInt64
    /// A task in it, whose root is the namespace's.
    package var pid: PID
    package var rows: [MountRow]
    /// Those of the namespace that we are in.
    package var ownRows: [MountRow]
    package init(namespace: UInt64, pid: PID, rows: [MountRow], ownRows: [MountRow]) {
        self.namespace = namespace
        self.pid = pid
        self.rows = rows
        self.ownRows = ownRows
    }
}

extension MountNamespaceFacts {
    /// Our own path of a name in the namespace; nil where we see it nowhere.
    func pathOutside(of path: String) -> String? {
        guard var row = rows.mount(at: path), let rest = MountPath.rest(of: path, below: row.mountPoint)
        else {
            return nil
        }
        row.root = MountPath.join(row.root, rest)
        return MountSurvey.pathOutside(of: row, ownRows)
    }
}

/// Where a restore gets a mount from.
package enum MountOrigin: Equatable, Sendable {
    /// The directory that the restore is told, or where the root was outside.
    case root
    /// A path outside, by key.
    case external(MountAllowances.External)
    /// What is mounted outside too, by its path there.
    case detected(source: String)
    /// A block device under this name.
    case device(name: String)
    /// A file system of its own, the first mount of it.
    case anew
    /// Another mount of the namespace shows this part too.
    case bind(of: Int32)
    case skipped
    /// Nowhere.
    case none(FindingCode)
}

/// Each mount of a namespace with where a restore gets it from, as a pure function of what was seen and what is allowed.
///
/// The rules' findings, the image and the contents that go with it are all made of this.
package struct MountSurvey: Sendable {
    package struct Placed: Sendable, Equatable {
        package var row: MountRow
        package var origin: MountOrigin
    }
    package let facts: MountNamespaceFacts
    package let tree: MountTree<MountRow>
    /// In the tree's order.
    package let mounts: [Placed]
    private let byID: [Int32: Placed]

    /// Throws where the rows are no tree.
    package init(
        _ facts: MountNamespaceFacts, _ allow: MountAllowances
    ) throws(MountTree<MountRow>.Flaw) {
        self.facts = facts
        tree = try MountTree(facts.rows)
        var origins: [Int32: MountOrigin] = [tree.root.id: .root]
        var skipped: Set<Int32> = []
        for row in tree.attachOrder.dropFirst() {
            if allow.skipped.contains(row.mountPoint) || skipped.contains(row.parent) {
                origins[row.id] = .skipped
                skipped.insert(row.id)
            } else if let external = allow.external[row.mountPoint] {
                origins[row.id] = .external(external)
            }
        }
        // The widest part of a file system comes first: the others are parts of it.
        let open = tree.attachOrder.enumerated().filter { origins[$0.element.id] == nil }.sorted {
            let (a, b) = ($0.element.root.utf8.count, $1.element.root.utf8.count)
            return a == b ? $0.offset < $1.offset : a < b
        }
        for (_, row) in open {
            origins[row.id] = Self.origin(of: row, in: tree.attachOrder, origins, facts.ownRows, allow)
        }
        mounts = tree.attachOrder.map { Placed(row: $0, origin: origins[$0.id] ?? .none(.mountRootMissing)) }
        byID = Dictionary(uniqueKeysWithValues: mounts.map { ($0.row.id, $0) })
    }

    package func mount(_ id: Int32) -> Placed? { byID[id] }

    /// The mount that a chain of binds leads to.
    package func primary(of placed: Placed) -> Placed {
        var here = placed
        // Each bind is of one that was placed before it, so this ends.
        while case .bind(let id) = here.origin, let next = byID[id] { here = next }
        return here
    }

    private static func origin(
        of row: MountRow, in rows: [MountRow], _ origins: [Int32: MountOrigin], _ own: [MountRow],
        _ allow: MountAllowances
    ) -> MountOrigin {
        let kind = MountFileSystem.named(row.fileSystem)
        if row.isDeleted { return .none(.mountDeleted) }
        if let other = rows.first(where: { isSource($0, of: row, origins) }) { return .bind(of: other.id) }
        if allow.detects, let source = pathOutside(of: row, own) { return .detected(source: source) }
        if kind.making == .fromOutside, row.root == "/",
            allow.allowsAllFileSystems || allow.fileSystems.contains(row.fileSystem)
        {
            return .anew
        }
        switch kind.making {
        case .served: return .none(.mountServed)
        case .fromOutside:
            if row.root == "/", let name = allow.devices["\(row.device.major):\(row.device.minor)"] {
                return .device(name: name)
            }
            return .none(
                row.device.major != 0 || pathOutside(of: row, own) != nil
                    ? .mountExternal : .mountUnsupported)
        case .anew, .withContents, .instance: return row.root == "/" ? .anew : .none(.mountRootMissing)
        }
    }

    /// Whether `row` can be bound from another mount of the same file system that the restore has already.
    private static func isSource(
        _ other: MountRow, of row: MountRow, _ origins: [Int32: MountOrigin]
    ) -> Bool {
        guard other.id != row.id, other.device == row.device, !other.isDeleted,
            MountPath.rest(of: row.root, below: other.root) != nil
        else { return false }
        switch origins[other.id] {
        case .root, .anew, .bind, .external, .detected, .device: return true
        case .skipped, MountOrigin.none?, nil: return false
        }
    }

    /// Where we see the same part of the same file system; nil where nowhere.
    package static func pathOutside(of row: MountRow, _ own: [MountRow]) -> String? {
        for mount in own.reversed() where mount.device == row.device {
            if let rest = MountPath.rest(of: row.root, below: mount.root) {
                let path = MountPath.join(mount.mountPoint, rest)
                // Something else may be mounted over it, or on the way.
                if own.mount(at: path)?.id == mount.id { return path }
            }
        }
        return nil
    }
}

extension [MountRow] {
    /// The mount that a path leads to in this table: from the root on, at each mount point over to what is mounted there.
    func mount(at path: String) -> MountRow? {
        let ids = Set(map(\.id))
        var here = first { !ids.contains($0.parent) || $0.parent == $0.id }
        var walked: Set<Int32> = []
        while let mount = here, walked.insert(mount.id).inserted {
            let next = filter {
                $0.parent == mount.id && MountPath.rest(of: path, below: $0.mountPoint) != nil
            }
            .min { $0.mountPoint.utf8.count < $1.mountPoint.utf8.count }
            guard let next, !walked.contains(next.id) else { return mount }
            here = next
        }
        return here
    }
}

extension MountRow {
    /// What was mounted has been deleted; the kernel says so behind its path.
    package var isDeleted: Bool { root.hasSuffix("//deleted") }
    /// The path that it had.
    package var rootAsItWas: String { isDeleted ? String(root.dropLast("//deleted".count)) : root }
}
