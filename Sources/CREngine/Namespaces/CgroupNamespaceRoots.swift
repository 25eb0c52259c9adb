import Glibc

/// Where the roots of a tree's own cgroup namespace are: one group in each hierarchy. See cgroup_namespaces(7).
///
/// No file tells them. Whoever reads /proc/PID/cgroup is told paths from the roots of his own namespace, so that of the
/// tree's root, read from inside, is the end of what we read.
struct CgroupNamespaceRoots {
    /// Paths of the groups, by hierarchy; empty for the root of the hierarchy.
    private var roots: [String: String] = [:]

    /// Of a tree that is in our namespace.
    init() {}

    /// `outside` and `inside`: the groups of one task, as we and as members of the namespace read them. Nil where the task
    /// is not below the roots: then nothing tells where they are.
    init?(outside: [CgroupRow], inside: [CgroupRow]) {
        for row in outside {
            guard let seen = inside.first(where: { $0.controllers == row.controllers }) else { return nil }
            let rest = seen.path == "/" ? "" : seen.path
            let whole = row.path == "/" ? "" : row.path
            guard whole.hasSuffix(rest), !Self.leadsOut(seen.path) else { return nil }
            roots[row.controllers] = String(whole.dropLast(rest.count))
        }
    }

    /// Of a snapshot's tree; nil where nothing tells.
    init?(_ snapshot: Snapshot) {
        self.init()
        guard snapshot.ownNamespaceKinds.contains(.cgroup) else { return }
        guard let root = snapshot.task(snapshot.root), let inside = snapshot.rootCgroupsInside else {
            return nil
        }
        self.init(outside: root.cgroups, inside: inside)
    }

    /// Bytes of a group's path that are the root of the namespace: CRIU's cgns_prefix. Nil for groups outside, and where
    /// the namespace is ours.
    func prefix(of path: String, hierarchy: String) -> UInt32? {
        guard let root = roots[hierarchy], path == root || path.hasPrefix(root + "/") else { return nil }
        return UInt32(root.utf8.count)
    }

    /// A path of a group that is not below the root is shown by way of the parent.
    private static func leadsOut(_ path: String) -> Bool { path == "/.." || path.hasPrefix("/../") }
}

extension CgroupImage.Member {
    /// Path of the group that is the root of the task's namespace, "/" for that of the hierarchy. Nil where none is told,
    /// or where the length does not end at the end of a name.
    var namespaceRoot: String? {
        guard let namespacePrefix, Int(namespacePrefix) <= path.utf8.count else { return nil }
        let root = path.utf8.prefix(Int(namespacePrefix))
        let rest = path.utf8.dropFirst(Int(namespacePrefix))
        guard root.isEmpty || path == "/" || rest.isEmpty || rest.first == UInt8(ascii: "/") else {
            return nil
        }
        return root.isEmpty ? "/" : String(decoding: root, as: UTF8.self)
    }
}
