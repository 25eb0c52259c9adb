import CPlatform
import Glibc

/// Namespaces that a tree is put into and that are not made for it: those of `--join-ns`, and those that the dump called
/// external, which `--inherit-fd` gives.
struct GivenNamespaces {
    /// Descriptors of ours.
    let descriptors: [NamespaceKind: Int32]
    private let missing: [RestoreError]
    private let doubled: Set<NamespaceKind>

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
        doubled = tree.ownNamespaceKinds.intersection(options.joined.keys).subtracting(
            Self.labels(tree).map(\.kind))
    }

    /// What --inherit-fd may name.
    static func labels(_ tree: TreeImage) -> [(kind: NamespaceKind, label: String)] {
        [(.net, tree.namespaces.network?.externalKey), (.pid, tree.namespaces.pidLabel)].compactMap {
            kind, label in label.map { (kind, $0) }
        }
    }

    func contains(_ kind: NamespaceKind) -> Bool { descriptors[kind] != nil }

    func problems() -> [RestoreError] {
        missing
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

    /// Puts the root there, before it has children. Into its pid namespace it was born.
    func enter(_ root: StubThread, lender: Lender) throws(RestoreError) {
        for (kind, fd) in descriptors.sorted(by: { $0.key.rawValue < $1.key.rawValue }) where kind != .pid {
            try lender.lend(fd, to: root) { (number) throws(RestoreError) -> Void in
                try root.call("setns", CP_SYS_setns, number, Int(kind.cloneFlag))
            }
        }
    }
}
