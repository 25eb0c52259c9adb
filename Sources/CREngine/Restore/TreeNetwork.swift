import Glibc

/// The network namespace that a tree has of its own: from its making to the moment in which traffic goes again.
///
/// With the root it goes away as a whole: links, their outer ends, rules and the lock of the restore.
final class TreeNetwork {
    /// Whether there is one; without, the tree lives in ours.
    let isOwn: Bool
    /// It is there already, and stays when the tree goes.
    private let isGiven: Bool
    private let image: NetworkNamespaceImage?
    private let outside: NetworkOutside
    private let runID: String
    private var builder: NetworkBuilder?
    private var root: PID?

    init(tree: TreeImage, options: RestoreOptions) {
        isGiven = GivenNamespaces(tree: tree, options: options).contains(.net)
        isOwn = isGiven || tree.ownNamespaceKinds.contains(.net)
        image = options.emptiesNetwork ? NetworkNamespaceImage() : tree.namespaces.network
        runID = tree.inventory.runID
        outside = NetworkOutside(
            namespace: tree.tasks.first?.ids?.netNS ?? 0, veth: options.veth,
            external: options.externalLinks, pairs: options.vethPairs)
    }

    /// Ends of pairs that were made where we are.
    var ends: [NetworkOutside.OuterEnd] { builder?.ends ?? [] }

    /// Fills the new namespace that the root stands in, and locks it.
    func build(in root: PID) throws(RestoreError) {
        guard isOwn else { return }
        self.root = root
        guard let image, !isGiven else { return }
        try told { () throws(NetworkError) in
            let namespace = try NetworkNamespace.of(root)
            let builder = try NetworkBuilder(
                image, outside, runID: runID, descriptor: namespace.rawValue, keepsLinks: true)
            self.builder = builder
            try builder.build()
        }
    }

    /// Does something inside, or where we are if the tree has none of its own.
    func inside<Value>(_ errand: () throws(RestoreError) -> Value) throws(RestoreError) -> Value {
        guard let root else { return try errand() }
        return try NamespaceVisit.run(
            .net, of: root, refusal: { RestoreError("process \(root)", "\($0)") }, errand)
    }

    /// Outer ends become ports of their bridges, and go up.
    func connect() throws(RestoreError) {
        try told { () throws(NetworkError) in try builder?.connect() }
    }

    /// The tree is about to run.
    func release() throws(RestoreError) {
        try told { () throws(NetworkError) in
            try builder?.release()
            // The lock of the dump has stayed there.
            guard isGiven, let root else { return }
            let runID = runID
            let namespace = try NetworkNamespace.of(root)
            try NetworkNamespace.visit(namespace.rawValue) { () throws(NetworkError) in
                try NamespaceLock.removeDumped(runID: runID)
                try FilterRules.removeFoundLock()
            }
        }
    }

    /// All tasks have been let go: links that were handed in are the tree's.
    func yieldLinks() { builder?.yieldLinks() }

    /// All tasks have been killed: links that were handed in go back.
    func giveLinksBack() { builder?.giveLinksBack() }

    /// What of the outside is missing or in the way.
    func problems() -> [RestoreError] {
        guard isOwn, !isGiven else { return [] }
        guard let image else {
            return [
                RestoreError(
                    "image",
                    "lacks the network namespace of the tree (\(ImageName.networkNamespace(outside.namespace)))"
                )
            ]
        }
        if image.externalKey != nil { return [] }
        return NetworkPreflight(image: image, outside: outside).problems()
    }

    private func told<Value: ~Copyable>(
        _ body: () throws(NetworkError) -> Value
    ) throws(RestoreError) -> Value {
        do throws(NetworkError) {
            return try body()
        } catch {
            throw RestoreError(error.subject, error.fact, errno: error.errno, remedy: error.remedy)
        }
    }
}
