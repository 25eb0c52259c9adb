/// What a restore is told of the outside of a network namespace.
package struct NetworkOutside: Sendable, Equatable {
    /// `allow: {veth: …}`, `--veth-pair IN=OUT`, `--external veth[IN]:OUT@BRIDGE`.
    package struct Pair: Sendable, Equatable {
        package var outer: String?
        package var bridge: String?
    }
    /// The end of a pair that was made where we are.
    package struct OuterEnd: Sendable, Equatable {
        package var inner: String
        package var name: String
        package var index: UInt32 = 0
        package var bridge: String?
        package var isNamedByKernel = false
    }
    struct OtherNamespace: Sendable {
        var descriptor: Int32
        var links: [NetworkLinkImage]
    }
    /// Kinds that CRIU does not make, and we do.
    static let ownKinds: Set<String> = ["vlan", "dummy"]

    /// Number of the namespace in the images.
    package var namespace: UInt32
    /// By the name of the inner end.
    package var pairs: [String: Pair] = [:]
    /// `--external macvlan[IN]:OUT`: the link of ours that IN stands on.
    package var lowerLinks: [String: String] = [:]
    /// `--external netdev[IN]:ORIGINAL`: the link of ours that becomes IN.
    package var handedIn: [String: String] = [:]

    package init(namespace: UInt32) { self.namespace = namespace }
}
