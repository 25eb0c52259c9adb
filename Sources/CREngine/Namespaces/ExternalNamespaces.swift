import PolicyModel

extension Allowances {
    /// The name by which a restore is given a namespace that is not dumped: CRIU's `--external net[INODE]:NAME`. Nil for one
    /// that goes with the tree.
    func label(of kind: NamespaceKind, _ inode: UInt64) -> String? {
        external.lazy.compactMap(ExternalResource.namespace).first {
            $0.kind == kind.rawValue && $0.inode == inode
        }?.name
    }
}

extension Snapshot {
    /// The label of a namespace that the root has of its own.
    func label(of kind: NamespaceKind, _ allow: Allowances) -> String? {
        guard ownNamespaceKinds.contains(kind), let root = task(root) else { return nil }
        return allow.label(of: kind, root.namespaces[keyPath: kind.place])
    }
}
