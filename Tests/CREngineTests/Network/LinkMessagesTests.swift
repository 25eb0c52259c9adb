import Testing

@testable import CREngine

/// vlan and dummy by the bytes of rtnetlink alone, for a kernel without them.
struct LinkMessagesTests {
    private typealias Attribute = NetworkLink.Attribute

    // IFLA_VLAN_*
    private static let vlanData = [
        NetlinkAttribute(5, [0x81, 0x00]),  // PROTOCOL, big-endian
        NetlinkAttribute(1, SockDiag.bytes(7 as UInt16)),  // ID
        NetlinkAttribute(2, SockDiag.bytes(0x3 as UInt32, UInt32.max)),  // FLAGS: REORDER_HDR, GVRP; mask
        // INGRESS_QOS and EGRESS_QOS, a mapping each.
        NetlinkAttribute(4, nesting: [NetlinkAttribute(1, SockDiag.bytes(2 as UInt32, 5 as UInt32))]),
        NetlinkAttribute(3, nesting: [NetlinkAttribute(1, SockDiag.bytes(6 as UInt32, 1 as UInt32))]),
    ]
    private static let hardware: [UInt8] = [2, 0, 0, 0, 0, 0x17]

    /// As rtnl_fill_ifinfo has it, as far as it matters here.
    private static func told(
        _ name: String, index: UInt32, flags: UInt32, kind: String, data: [NetlinkAttribute] = [],
        _ more: [NetlinkAttribute] = []
    ) -> NetworkLink {
        let ethernet = 1 as UInt16
        var information = [NetlinkAttribute(Attribute.kind, kind)]
        if !data.isEmpty { information.append(NetlinkAttribute(Attribute.data, nesting: data)) }
        let attributes =
            [
                NetlinkAttribute(Attribute.name, name), NetlinkAttribute(Attribute.queueLength, 77 as UInt32),
                NetlinkAttribute(Attribute.operationalState, [6]),
                NetlinkAttribute(Attribute.mtu, 1404 as UInt32),
                NetlinkAttribute(Attribute.group, 3 as UInt32),
                NetlinkAttribute(Attribute.sendQueues, 2 as UInt32),
                NetlinkAttribute(Attribute.receiveQueues, 1 as UInt32),
                NetlinkAttribute(Attribute.address, hardware),
                NetlinkAttribute(Attribute.broadcast, [UInt8](repeating: 0xff, count: 6)),
                NetlinkAttribute(Attribute.alias, "other words"),
                NetlinkAttribute(Attribute.kindInformation, nesting: information),
            ] + more
        let head =
            SockDiag.bytes(0 as UInt8, 0 as UInt8, ethernet) + SockDiag.bytes(index, flags, 0 as UInt32)
        return NetworkLink(
            NetlinkMessage(type: RouteNetlink.newLink, body: head + attributes.flatMap(\.bytes)))
    }

    /// Through the files and back.
    private static func carried(_ links: [NetworkLink]) throws -> NetworkNamespaceImage {
        var image = NetworkNamespaceImage()
        let reader = NetworkReader(namespace: 9)
        for link in links {
            image.links.append(try reader.image(of: link, [:]))
            image.details.links.append(LinkDetails.kept(of: link))
        }
        let directory = try TemporaryDirectory()
        let fd = try directory.open()
        try image.write(namespace: 9, to: fd)
        return try #require(try NetworkNamespaceImage.read(namespace: 9, in: fd, .twoWords))
    }

    private static let first = [
        NetlinkAttribute(Attribute.mtu, 1404 as UInt32), NetlinkAttribute(Attribute.address, hardware),
        NetlinkAttribute(Attribute.queueLength, 77 as UInt32), NetlinkAttribute(Attribute.group, 3 as UInt32),
        NetlinkAttribute(Attribute.sendQueues, 2 as UInt32),
        NetlinkAttribute(Attribute.receiveQueues, 1 as UInt32),
    ]

    @Test func `a vlan is asked for as it was told of`() throws {
        let lower = NetlinkAttribute(Attribute.lower, 4 as UInt32)
        let link = Self.told("v7", index: 8, flags: 0x1043, kind: "vlan", data: Self.vlanData, [lower])
        let image = try Self.carried([link])
        let row = image.links[0]
        #expect(row.kind == .other)
        #expect([row.name, "\(row.index)", "\(row.mtu)", "\(row.flags)"] == ["v7", "8", "1404", "4163"])
        #expect(row.address == Self.hardware)
        #expect((row.peerIndex, row.peerNamespace) == (4, 9))
        let messages = LinkMessages(image: image)
        #expect(messages.ownKind(row) == "vlan")
        let request = messages.creation(row, ownKind: "vlan")
        #expect((request.type, request.word(4), request.word(8)) == (RouteNetlink.newLink, 8, 0))
        #expect(
            request.attributes(after: RouteNetlink.Head.link)
                == [NetlinkAttribute(Attribute.name, "v7")] + Self.first + [
                    lower,
                    NetlinkAttribute(
                        Attribute.kindInformation,
                        nesting: [
                            NetlinkAttribute(Attribute.kind, "vlan"),
                            NetlinkAttribute(Attribute.data, nesting: Self.vlanData),
                        ]),
                ])
        #expect(messages.details(row)[type: Attribute.alias]?.text == "other words")
        #expect(messages.details(row)[type: Attribute.operationalState]?.value == [6])
    }

    @Test func `a dummy is asked for as it was told of`() throws {
        let image = try Self.carried([Self.told("d0", index: 5, flags: 0xc3, kind: "dummy")])
        let row = image.links[0]
        #expect(row.kind == .other)
        // CRIU's way to say that there is no other link.
        #expect((row.peerIndex, row.peerNamespace) == (5, 9))
        let request = LinkMessages(image: image).creation(row, ownKind: "dummy")
        #expect(
            request.attributes(after: RouteNetlink.Head.link)
                == [NetlinkAttribute(Attribute.name, "d0")] + Self.first + [
                    NetlinkAttribute(
                        Attribute.kindInformation, nesting: [NetlinkAttribute(Attribute.kind, "dummy")])
                ])
    }

    @Test func `a kind that is not made here is not asked for`() throws {
        let image = try Self.carried([Self.told("x0", index: 5, flags: 0, kind: "vxlan")])
        #expect(LinkMessages(image: image).ownKind(image.links[0]) == nil)
    }

    @Test func `links are set up after what they stand on, and bridges after their ports`() throws {
        func link(_ name: String, _ index: UInt32, _ kind: NetworkLinkImage.Kind, master: UInt32? = nil)
            -> NetworkLinkImage
        {
            var link = NetworkLinkImage(kind: kind, index: index, mtu: 1500, flags: 1, name: name)
            link.master = master
            return link
        }
        // Two vlans one on the other, on a bridge of a vlan's; numbers say nothing of the order.
        let links = [
            link("lo", 1, .loopback), link("outer", 2, .other), link("inner", 3, .other),
            link("br", 4, .bridge),
            link("port", 5, .other, master: 4), link("base", 6, .veth),
        ]
        let lower: [UInt32: UInt32] = [2: 3, 3: 4, 5: 6]
        let order = LinkMessages.startOrder(links) { lower[$0.index] }
        #expect(order.map(\.name) == ["lo", "base", "port", "br", "inner", "outer"])
        let ring = LinkMessages.startOrder(links) { [2: 3, 3: 2][$0.index] }
        #expect(Set(ring.map(\.name)) == Set(links.map(\.name)))
    }
}
