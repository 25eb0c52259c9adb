/// What stands in a tree of mounts: a row of mountinfo or one of an image.
package protocol MountNode: Sendable {
    var nodeID: UInt32 { get }
    var parentID: UInt32 { get }
    /// Absolute, in the namespace.
    var mountPoint: String { get }
}

extension MountRow: MountNode {
    package var nodeID: UInt32 { UInt32(bitPattern: id) }
    package var parentID: UInt32 { UInt32(bitPattern: parent) }
}

extension MountImage: MountNode {
    package var nodeID: UInt32 { id }
    package var parentID: UInt32 { parent }
}

/// The mounts of a namespace as a tree: what is mounted on what.
package struct MountTree<Node: MountNode>: Sendable {
    /// Why rows are no tree.
    package enum Flaw: Error, Equatable, Sendable {
        case noRoot
        /// Ids of the mounts whose parent is not among them, when there are several.
        case severalRoots([UInt32])
        /// These lie on each other in a ring.
        case ring([UInt32])
        case outsideParent(UInt32)
    }
    package let root: Node
    /// The root first, each parent before its children, and of the children of one parent the deeper mount points first:
    /// so none is mounted on a path that another already covers.
    ///
    /// Backwards it is the order in which mounts can be taken off, each being the topmost at its path by then.
    package let attachOrder: [Node]

    package init(_ nodes: [Node]) throws(Flaw) {
        let ids = Set(nodes.map(\.nodeID))
        let roots = nodes.filter { !ids.contains($0.parentID) || $0.parentID == $0.nodeID }
        guard let root = roots.first else { throw .noRoot }
        guard roots.count == 1 else { throw .severalRoots(roots.map(\.nodeID)) }
        var children: [UInt32: [Node]] = [:]
        for node in nodes where node.nodeID != root.nodeID {
            children[node.parentID, default: []].append(node)
        }
        var order: [Node] = []
        var waiting = [root]
        while let node = waiting.popLast() {
            order.append(node)
            let below = (children[node.nodeID] ?? []).enumerated().sorted {
                let (a, b) = ($0.element.mountPoint.utf8.count, $1.element.mountPoint.utf8.count)
                return a == b ? $0.offset < $1.offset : a > b
            }
            for child in below {
                guard Self.path(of: child.element, below: node) != nil else {
                    throw .outsideParent(child.element.nodeID)
                }
            }
            waiting += below.reversed().map(\.element)
        }
        guard order.count == nodes.count else {
            let placed = Set(order.map(\.nodeID))
            throw .ring(nodes.map(\.nodeID).filter { !placed.contains($0) })
        }
        self.root = root
        attachOrder = order
    }

    /// Where a mount lies in its parent, without a leading slash; empty when it covers the parent's own root.
    package static func path(of child: Node, below parent: Node) -> String? {
        MountPath.rest(of: child.mountPoint, below: parent.mountPoint)
    }
}

/// Paths as mountinfo has them: absolute, no slash at the end but for the root.
package enum MountPath {
    /// What follows `base` in a path that is it or lies in it, without a leading slash; nil for other paths.
    package static func rest(of path: String, below base: String) -> String? {
        if base == "/" { return path.hasPrefix("/") ? String(path.dropFirst()) : nil }
        guard path.hasPrefix(base) else { return nil }
        let rest = path.dropFirst(base.count)
        if rest.isEmpty { return "" }
        return rest.hasPrefix("/") ? String(rest.dropFirst()) : nil
    }

    package static func join(_ base: String, _ rest: String) -> String {
        rest.isEmpty ? base : base == "/" ? "/" + rest : base + "/" + rest
    }
}
