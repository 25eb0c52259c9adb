import CPlatform
import Glibc

/// Namespaces that a tree is put into and that are not made for it: those of `--join-ns`, and those that the dump called
/// external, which `--inherit-fd` gives.
struct GivenNamespaces {
    /// Descriptors of ours.
    let descriptors: [NamespaceKind: Int32]
    /// Those that the root is born into, as it has no right to enter them from its user namespace: nobody's but ours is owned
    /// by that.
    let bornInto: [(kind: NamespaceKind, descriptor: Int32)]
    private let missing: [RestoreError]
    private let doubled: Set<NamespaceKind>
    /// Kinds that a tree in a user namespace of its own cannot be put into.
    private let forbidden: Set<NamespaceKind>

    init(tree: TreeImage, options: RestoreOptions) {
        var descriptors = options.joined
        var missing: [RestoreError] = []
        for (kind, label) in Self.labels(tree) {
            if let fd = options.inherited[label] {
                descriptors[kind] = fd
            } else if options.joined[kind] == nil {
                missing.append(
                    RestoreError(
                        "\(kind.name) namespace \(label)", "stayed outside the image and was not given",
                        remedy: "restore with --inherit-fd fd[N]:\(label)"))
            }
        }
        self.descriptors = descriptors
        self.missing = missing
        let hasOwnUser = tree.ownNamespaceKinds.contains(.user) && !tree.namespaces.joined.contains(.user)
        bornInto =
            hasOwnUser
            ? descriptors.filter { [.net, .uts, .ipc].contains($0.key) }.map { ($0.key, $0.value) } : []
        forbidden =
            hasOwnUser ? [.time, .pid, .mount] : tree.namespaces.joined.contains(.user) ? [.pid] : []
        doubled = tree.ownNamespaceKinds.intersection(options.joined.keys).subtracting(
            Self.labels(tree).map(\.kind)
        ).subtracting(tree.namespaces.joined)
    }

    /// What --inherit-fd may name.
    static func labels(_ tree: TreeImage) -> [(kind: NamespaceKind, label: String)] {
        [(.net, tree.namespaces.network?.externalKey), (.pid, tree.namespaces.pidLabel)].compactMap {
            kind, label in label.map { (kind, $0) }
        }
    }

    func contains(_ kind: NamespaceKind) -> Bool { descriptors[kind] != nil }

    func problems() -> [RestoreError] {
        missing + rightProblems
            + doubled.sorted { $0.rawValue < $1.rawValue }.map { kind in
                RestoreError(
                    "join-ns",
                    "the tree has a \(kind.name) namespace of its own in its image, and can join no other")
            }
            + descriptors.sorted { $0.key.rawValue < $1.key.rawValue }.compactMap { kind, fd in
                // NS_GET_NSTYPE of ioctl_nsfs(2).
                let type = cp_syscall(CP_SYS_ioctl, Int(fd), 0xb703, 0, 0, 0, 0)
                if type == Int(kind.cloneFlag) { return nil }
                return RestoreError(
                    "descriptor \(fd)", "is to be a \(kind.name) namespace and is none",
                    errno: type < 0 ? Errno(rawValue: Int32(-type)) : nil)
            }
    }

    /// A thread of ours cannot enter a time namespace, or a mount namespace alone, and in a pid namespace of others nobody of the tree can choose numbers.
    private var rightProblems: [RestoreError] {
        let given =
            descriptors[.user] == nil ? "a user namespace of its own" : "a user namespace that it joins"
        return forbidden.intersection(descriptors.keys).sorted { $0.rawValue < $1.rawValue }.map { kind in
            RestoreError(
                "\(kind.name) namespace",
                "of others cannot be given to a tree in \(given)")
        }
    }

    /// Does something with the calling thread in those that children of it are to be born into.
    func whileInside<Value: ~Copyable>(
        _ body: () throws(RestoreError) -> Value
    ) throws(RestoreError) -> Value {
        try inside(bornInto[...], body)
    }

    private func inside<Value: ~Copyable>(
        _ rest: ArraySlice<(kind: NamespaceKind, descriptor: Int32)>, _ body: () throws(RestoreError) -> Value
    ) throws(RestoreError) -> Value {
        guard let first = rest.first else { return try body() }
        return try NamespaceVisit.run(
            first.kind, descriptor: first.descriptor,
            refusal: { RestoreError("descriptor \(first.descriptor)", "\($0)") }
        ) { () throws(RestoreError) in try inside(rest.dropFirst(), body) }
    }

    /// Puts the root there, before it has children. Into its pid namespace it was born, and a user namespace, which takes
    /// its rights over the others, is the last.
    func enter(_ root: StubThread, lender: Lender) throws(RestoreError) {
        let first = descriptors.filter { given in
            given.key != .pid && given.key != .user && !bornInto.contains { $0.kind == given.key }
        }
        for (kind, fd) in first.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            try enter(kind, fd, root, lender)
        }
        if let fd = descriptors[.user] { try enter(.user, fd, root, lender) }
    }

    private func enter(
        _ kind: NamespaceKind, _ fd: Int32, _ root: StubThread, _ lender: Lender
    ) throws(RestoreError) {
        try lender.lend(fd, to: root) { (number) throws(RestoreError) -> Void in
            try root.call("setns", CP_SYS_setns, number, Int(kind.cloneFlag))
        }
    }
}
