/// Parameters of links for which CRIU's image has no field, as RTM_NEWLINK of our own file has them and takes them.
enum LinkDetails {
    private typealias Attribute = NetworkLink.Attribute
    /// IFLA_BR_*: what a bridge can be told; the others are what it tells.
    private static let bridgeParameters: Set<UInt16> = Set([1...9, 22...25, 27...39, 41...46].joined())
        .union([49])
    /// IFLA_BRPORT_*
    private static let portParameters: Set<UInt16> = Set([2...10, 27...34].joined()).union([
        12, 25, 37, 39, 40,
    ])
    private static let filter: UInt16 = 7
    private static let switches: UInt16 = 46
    private static let groupAddress: UInt16 = 20
    private static let usualGroupAddress: [UInt8] = [0x01, 0x80, 0xc2, 0, 0, 0]

    /// What is kept of a link.
    static func kept(of link: NetworkLink) -> NetlinkMessage {
        let plain: Set<UInt16> = [
            Attribute.queueLength, Attribute.alias, Attribute.group, Attribute.sendQueues,
            Attribute.receiveQueues, Attribute.operationalState,
        ]
        var kept = link.attributes.filter { plain.contains($0.type) }
        if link.kind == .vlan, let lower = link.lower {
            kept.append(NetlinkAttribute(Attribute.lower, lower))
        }
        let names = (link.attributes[type: Attribute.properties]?.nested ?? []).filter {
            $0.type == Attribute.alternativeName
        }
        if !names.isEmpty { kept.append(NetlinkAttribute(Attribute.properties, nesting: names)) }
        let six = link.options(RouteNetlink.Family.six).filter {
            [Attribute.addressMode].contains($0.type)
                || $0.type == Attribute.token && $0.value.contains { $0 != 0 }
        }
        if !six.isEmpty {
            kept.append(
                NetlinkAttribute(
                    Attribute.familyOptions,
                    nesting: [NetlinkAttribute(UInt16(RouteNetlink.Family.six), nesting: six)]))
        }
        var information: [NetlinkAttribute] = []
        if case .loopback = link.kind {
        } else {
            information.append(NetlinkAttribute(Attribute.kind, link.kind.name))
        }
        let data = parameters(of: link)
        if !data.isEmpty { information.append(NetlinkAttribute(Attribute.data, nesting: data)) }
        if link.portKind == "bridge" {
            let all = link.attributes[type: Attribute.kindInformation]?.nested ?? []
            let port = (all[type: Attribute.portData]?.nested ?? []).filter {
                portParameters.contains($0.type)
            }
            information.append(NetlinkAttribute(Attribute.portKind, "bridge"))
            information.append(NetlinkAttribute(Attribute.portData, nesting: port))
        }
        if !information.isEmpty {
            kept.append(NetlinkAttribute(Attribute.kindInformation, nesting: information))
        }
        return RouteNetlink.link(RouteNetlink.newLink, index: link.index, kept)
    }

    /// Switches of a bridge, values and a mask of 32 bits each, and its filter of VLANs. The kernel tells of all, and
    /// refuses to have switched off what it was built without; all are off in a new bridge.
    private static func whereSwitchedOn(_ parameter: NetlinkAttribute) -> NetlinkAttribute? {
        if parameter.type == filter { return parameter.value.first == 0 ? nil : parameter }
        guard parameter.type == switches, let on = parameter.number else { return parameter }
        return on == 0 ? nil : NetlinkAttribute(switches, SockDiag.bytes(on, on))
    }

    /// IFLA_MACVLAN_*: mode, flags, lengths of queues, and the addresses that a link in mode source takes from. The others
    /// tell and are not to be told.
    private static func macvlanParameters(_ data: [NetlinkAttribute]) -> [NetlinkAttribute] {
        let addresses = 5 as UInt16
        var kept = data.filter { [1, 2, 7, 9].contains($0.type) }
        if let sources = data[type: addresses], !sources.value.isEmpty {
            let how = 3 as UInt16
            let set = 3 as UInt32
            kept += [NetlinkAttribute(how, set), sources]
        }
        return kept
    }

    private static func parameters(of link: NetworkLink) -> [NetlinkAttribute] {
        switch link.kind {
        case .bridge:
            link.data.filter {
                bridgeParameters.contains($0.type)
                    || $0.type == groupAddress && $0.value != usualGroupAddress
            }.compactMap(whereSwitchedOn)
        case .vlan: link.data
        case .macvlan: macvlanParameters(link.data)
        case .loopback, .veth, .tun, .dummy, .hardware, .other: []
        }
    }
}

extension NetworkLink {
    /// IFLA_AF_SPEC of one family.
    func options(_ family: UInt8) -> [NetlinkAttribute] {
        attributes[type: Attribute.familyOptions]?.nested[type: UInt16(family)]?.nested ?? []
    }
}
