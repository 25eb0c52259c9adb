/// A link as the kernel tells of it: RTM_NEWLINK of rtnetlink(7).
package struct NetworkLink: Equatable, Sendable {
    /// What makes it.
    package enum Kind: Equatable, Sendable {
        case loopback, veth, bridge, tun, macvlan, vlan, dummy
        /// A device of hardware, or of a kind that has no name.
        case hardware
        case other(String)

        /// As `ip link` names it.
        package var name: String {
            switch self {
            case .loopback: "loopback"
            case .veth: "veth"
            case .bridge: "bridge"
            case .tun: "tun"
            case .macvlan: "macvlan"
            case .vlan: "vlan"
            case .dummy: "dummy"
            case .hardware: "hardware"
            case .other(let name): name
            }
        }
    }

    enum Attribute {
        static let address: UInt16 = 1
        static let broadcast: UInt16 = 2
        static let name: UInt16 = 3
        static let mtu: UInt16 = 4
        static let lower: UInt16 = 5
        static let master: UInt16 = 10
        static let queueLength: UInt16 = 13
        static let operationalState: UInt16 = 16
        static let kindInformation: UInt16 = 18
        static let alias: UInt16 = 20
        static let familyOptions: UInt16 = 26
        static let group: UInt16 = 27
        static let namespaceDescriptor: UInt16 = 28
        static let filter: UInt16 = 29
        static let sendQueues: UInt16 = 31
        static let receiveQueues: UInt16 = 32
        static let lowerNamespace: UInt16 = 37
        static let xdp: UInt16 = 43
        static let properties: UInt16 = 52
        static let alternativeName: UInt16 = 53
        // In kindInformation.
        static let kind: UInt16 = 1
        static let data: UInt16 = 2
        static let portKind: UInt16 = 4
        static let portData: UInt16 = 5
        // In the data of veth.
        static let peer: UInt16 = 1
        // In the options of IPv6.
        static let token: UInt16 = 7
        static let addressMode: UInt16 = 8
    }
    enum Flag {
        static let up: UInt32 = 1
        static let debug: UInt32 = 4
        static let loopback: UInt32 = 8
        static let noTrailers: UInt32 = 0x20
        static let noARP: UInt32 = 0x80
        static let promiscuous: UInt32 = 0x100
        static let allMulticast: UInt32 = 0x200
        static let multicast: UInt32 = 0x1000
        static let dynamic: UInt32 = 0x8000
        /// What an administrator sets.
        static let settable = debug | noTrailers | noARP | promiscuous | allMulticast | multicast | dynamic
    }
    private static let loopbackType: UInt16 = 772
    /// RTEXT_FILTER_SKIP_STATS
    private static let withoutStatistics: UInt32 = 8

    package let index: UInt32
    package let kind: Kind
    package let name: String
    package let flags: UInt32
    package let mtu: UInt32
    /// Of the link layer; nil where there is none.
    package let address: [UInt8]?
    package let master: UInt32?
    /// The link below, or the other end of a pair.
    package let lower: UInt32?
    /// The namespace's number for that of `lower`; nil for itself.
    package let lowerNamespace: Int32?
    /// The kind of what it is a port of.
    package let portKind: String?
    /// A program of XDP is attached.
    package let hasProgram: Bool
    let data: [NetlinkAttribute]
    let attributes: [NetlinkAttribute]

    init(_ message: NetlinkMessage) {
        attributes = message.attributes(after: RouteNetlink.Head.link)
        let information = attributes[type: Attribute.kindInformation]?.nested ?? []
        index = message.word(4)
        flags = message.word(8)
        name = attributes[type: Attribute.name]?.text ?? ""
        mtu = attributes[type: Attribute.mtu]?.number ?? 0
        let address = attributes[type: Attribute.address]?.value
        master = attributes[type: Attribute.master]?.number
        lower = attributes[type: Attribute.lower]?.number
        lowerNamespace = attributes[type: Attribute.lowerNamespace]?.number.map { Int32(bitPattern: $0) }
        portKind = information[type: Attribute.portKind]?.text
        data = information[type: Attribute.data]?.nested ?? []
        // IFLA_XDP_ATTACHED, a byte: 0 for none.
        hasProgram = attributes[type: Attribute.xdp]?.nested[type: 2]?.value.first ?? 0 != 0
        let hardwareType = UInt16(truncatingIfNeeded: message.word(0) >> 16)
        let isLoopback = hardwareType == Self.loopbackType
        kind = isLoopback ? .loopback : Self.kind(information[type: Attribute.kind]?.text)
        self.address = isLoopback || address?.isEmpty != false ? nil : address
    }

    private static func kind(_ name: String?) -> Kind {
        switch name {
        case nil: .hardware
        case "veth": .veth
        case "bridge": .bridge
        case "tun": .tun
        case "macvlan": .macvlan
        case "vlan": .vlan
        case "dummy": .dummy
        case .some(let other): .other(other)
        }
    }

    /// Devices of tunnels that the kernel makes by itself in every namespace, and that nothing has been done to.
    package var isFallback: Bool {
        let names = [
            "tunl0", "sit0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "ip6tnl0", "ip6gre0",
        ]
        return names.contains(name) && flags & Flag.up == 0
    }

    /// All links of the namespace of a connection, in the order of their indices.
    static func all(_ connection: inout NetlinkConnection) throws(NetworkError) -> [NetworkLink] {
        let request = RouteNetlink.link(
            RouteNetlink.getLink, index: 0, [NetlinkAttribute(Attribute.filter, withoutStatistics)])
        do throws(NetlinkConnection.Refusal) {
            return try connection.dump(request).map { NetworkLink($0) }.sorted { $0.index < $1.index }
        } catch {
            throw error.about("network namespace", "its links cannot be read")
        }
    }
}
