/// What a network namespace holds: links, addresses, routes, rules, settings, packet filters, tracked connections.
/// See network_namespaces(7).
///
/// CRIU keeps addresses, routes and rules in iproute2's file format, which is netlink messages as the kernel sends them.
package struct NetworkNamespaceImage: Equatable, Sendable {
    package var links: [NetworkLinkImage] = []
    package var settings = NetworkSettingsImage()
    /// Numbers that the namespace has for others, by their number in the images.
    package var ids: [NamespaceNumber] = []
    /// The namespace was not dumped: a descriptor with this label is given to the restore.
    package var externalKey: String?

    package var addresses: [NetlinkMessage] = []
    package var routes: [NetlinkMessage] = []
    package var routes6: [NetlinkMessage] = []
    package var rules: [NetlinkMessage] = []

    /// In the words of nft(8) and iptables-save(8).
    package var nftables = ""
    package var iptables = ""
    package var ip6tables = ""

    /// Entries of connection tracking, and the connections that they make expected.
    package var tracked: [NetlinkMessage] = []
    package var expected: [NetlinkMessage] = []

    // What CRIU's files have no room for, in files of our own.
    package var details = NetworkDetailsImage()

    package init() {}

    package struct NamespaceNumber: Equatable, Sendable {
        package var namespace: UInt32
        package var number: Int32
    }
}

/// What of a namespace CRIU does not keep.
package struct NetworkDetailsImage: Equatable, Sendable {
    /// Parameters of links, as RTM_NEWLINK takes them; by index.
    package var links: [NetlinkMessage] = []
    /// Permanent neighbours, and static rows of the forwarding tables of bridges.
    package var neighbours: [NetlinkMessage] = []
    /// Rules of IPv6, of which CRIU's file has none.
    package var rules6: [NetlinkMessage] = []
    /// Rules of nftables with parts of iptables, which nft's words do not hold; each is in `nftables` too, by its handle.
    package var foreignRules: [NetlinkMessage] = []
    /// Files below /proc/sys/net, with their contents without the last line end.
    package var settings: [Setting] = []

    package struct Setting: Equatable, Sendable {
        /// `ipv4/tcp_rmem`
        package var path: String
        package var value: String
        package init(path: String, value: String) {
            self.path = path
            self.value = value
        }
    }
    package init() {}

    var messages: [NetlinkMessage] { links + neighbours + rules6 + foreignRules }
}

/// A row of `netdev-NS.img`.
package struct NetworkLinkImage: Equatable, Sendable {
    /// CRIU's numbers.
    package enum Kind: UInt32, Sendable {
        case loopback = 1
        case veth = 2
        case tun = 3
        /// Of a kind that CRIU does not make. Ours are in `NetworkDetailsImage.links`; others are handed in at restore.
        case other = 4
        case bridge = 6
        case macvlan = 7
    }
    /// A persistent device of tun.c.
    package struct Tun: Equatable, Sendable {
        /// IFF_TUN, IFF_TAP, IFF_NO_PI and so on, of ioctl TUNSETIFF.
        package var flags: UInt32
        /// -1 for nobody.
        package var owner: Int32
        package var group: Int32
        /// Size of the header of virtio, bytes.
        package var headerSize: UInt32 = 10
        package var sendBuffer: UInt32 = UInt32(Int32.max)
    }
    package struct Macvlan: Equatable, Sendable {
        package var mode: UInt32
        package var flags: UInt32?
    }

    package var kind: Kind
    package var index: UInt32
    package var mtu: UInt32
    /// IFF_*.
    package var flags: UInt32
    package var name: String
    package var tun: Tun?
    /// Of the link layer; nil where there is none.
    package var address: [UInt8]?
    package var conf4: [SettingImage] = []
    package var conf6: [SettingImage] = []
    package var macvlan: Macvlan?
    package var peerIndex: UInt32?
    /// Number of the namespace in the images; nil outside of all.
    package var peerNamespace: UInt32?
    /// Index of the bridge that it is a port of.
    package var master: UInt32?

    package init(kind: Kind, index: UInt32, mtu: UInt32, flags: UInt32, name: String) {
        self.kind = kind
        self.index = index
        self.mtu = mtu
        self.flags = flags
        self.name = name
    }
}

/// One value of CRIU's lists of sysctls; its place in the list tells which.
package enum SettingImage: Equatable, Sendable {
    /// Nil where it could not be read.
    case number(Int32?)
    case text(String?)
}

/// `netns-NS.img`: settings that are no single link's.
package struct NetworkSettingsImage: Equatable, Sendable {
    package var default4: [SettingImage] = []
    package var all4: [SettingImage] = []
    package var default6: [SettingImage] = []
    package var all6: [SettingImage] = []
    package var unix: [SettingImage] = []
    package var ipv4: [SettingImage] = []
    package init() {}
}
