import CPlatform

/// Reads a network namespace into its image. Changes nothing in it.
struct NetworkReader {
    /// Namespaces that the tree has beside this one, by a descriptor of each and its number in the images.
    struct Neighbour: Sendable {
        var descriptor: Int32
        var number: UInt32
    }

    /// Number of the namespace in the images.
    let namespace: UInt32
    var neighbours: [Neighbour] = []
    /// Names of links that the restore is handed: CRIU's `--external netdev[NAME]`.
    var handedIn: Set<String> = []

    func read(_ descriptor: Int32) throws(NetworkError) -> NetworkNamespaceImage {
        let reader = self
        return try NetworkNamespace.visit(descriptor) { () throws(NetworkError) in try reader.readHere() }
    }

    private func readHere() throws(NetworkError) -> NetworkNamespaceImage {
        var image = NetworkNamespaceImage()
        let texts = try FilterRules.read()
        (image.nftables, image.iptables, image.ip6tables) = (texts.nftables, texts.iptables, texts.ip6tables)
        image.details.foreignRules = texts.foreign
        image.settings = NetworkSettings.ofNamespace()
        image.details.settings = try NetworkSettings.all()
        image.tracked = try ConnectionTracking.readEntries()
        image.expected = try ConnectionTracking.readExpectations()
        var connection = try NetlinkConnection.open(.route)
        try readLinks(&connection, &image)
        do throws(NetlinkConnection.Refusal) {
            image.addresses = try NetworkTables.addresses(&connection)
            image.routes = try NetworkTables.routes(RouteNetlink.Family.four, &connection)
            image.routes6 = try NetworkTables.routes(RouteNetlink.Family.six, &connection)
            image.rules = try NetworkTables.rules(RouteNetlink.Family.four, &connection)
            // None where they are those of every namespace.
            let rules6 = try NetworkTables.rules(RouteNetlink.Family.six, &connection)
            if rules6.count != 2 || !rules6.allSatisfy(NetworkTables.isOfTheKernel) {
                image.details.rules6 = rules6
            }
            image.details.neighbours = try NetworkTables.neighbours(&connection)
        } catch {
            throw error.about("network namespace", "its addresses and routes cannot be read")
        }
        return image
    }

    private func readLinks(
        _ connection: inout NetlinkConnection, _ image: inout NetworkNamespaceImage
    ) throws(NetworkError) {
        let numbers = try numbers(&connection)
        for (number, neighbour) in numbers.sorted(by: { $0.key < $1.key }) {
            image.ids.append(.init(namespace: neighbour, number: number))
        }
        for link in try NetworkLink.all(&connection) where !link.isFallback {
            image.links.append(try self.image(of: link, numbers))
            image.details.links.append(LinkDetails.kept(of: link))
        }
    }

    /// The namespace's numbers for others of the tree.
    private func numbers(
        _ connection: inout NetlinkConnection
    ) throws(NetworkError) -> [Int32: UInt32] {
        var numbers: [Int32: UInt32] = [:]
        do throws(NetlinkConnection.Refusal) {
            for neighbour in neighbours where neighbour.number != namespace {
                let number = try RouteNetlink.namespaceNumber(of: neighbour.descriptor, &connection)
                if let number { numbers[number] = neighbour.number }
            }
        } catch {
            throw error.about("network namespace", "its numbers for other namespaces cannot be read")
        }
        return numbers
    }

    func image(
        of link: NetworkLink, _ numbers: [Int32: UInt32]
    ) throws(NetworkError) -> NetworkLinkImage {
        let kind: NetworkLinkImage.Kind =
            switch link.kind {
            case .loopback: .loopback
            case .veth: .veth
            case .bridge: .bridge
            case .tun: .tun
            case .macvlan: .macvlan
            case .vlan, .dummy, .hardware, .other: .other
            }
        var image = NetworkLinkImage(
            kind: handedIn.contains(link.name) ? .other : kind, index: link.index, mtu: link.mtu,
            flags: link.flags, name: link.name)
        image.address = link.address
        image.master = link.master
        image.conf4 = NetworkSettings.list(NetworkSettings.four, in: "ipv4/conf/\(link.name)")
        image.conf6 = NetworkSettings.list(NetworkSettings.six, in: "ipv6/conf/\(link.name)")
        // As CRIU has it, a link without another end is its own, here.
        image.peerIndex = link.lower ?? link.index
        image.peerNamespace = link.lowerNamespace.map { numbers[$0] } ?? namespace
        if kind == .tun { image.tun = NetworkLinkImage.Tun(link.data) }
        if kind == .macvlan {
            image.macvlan = NetworkLinkImage.Macvlan(
                mode: link.data[type: 1]?.number ?? 0,
                flags: link.data[type: 2].map { UInt32($0.value.first ?? 0) })
        }
        return image
    }
}

extension NetworkLinkImage.Tun {
    private enum Attribute {
        static let owner: UInt16 = 1
        static let group: UInt16 = 2
        static let type: UInt16 = 3
        static let hasHeader: UInt16 = 4
        static let virtioHeader: UInt16 = 5
        static let persists: UInt16 = 6
        static let manyQueues: UInt16 = 7
    }
    static let noHeader: UInt32 = 0x1000
    static let virtioHeader: UInt32 = 0x4000
    static let persists: UInt32 = 0x800
    static let manyQueues: UInt32 = 0x100

    init(_ data: [NetlinkAttribute]) {
        func byte(_ type: UInt16) -> UInt8 { data[type: type]?.value.first ?? 0 }
        var flags = UInt32(byte(Attribute.type))
        if byte(Attribute.hasHeader) == 0 { flags |= Self.noHeader }
        if byte(Attribute.virtioHeader) != 0 { flags |= Self.virtioHeader }
        if byte(Attribute.persists) != 0 { flags |= Self.persists }
        if byte(Attribute.manyQueues) != 0 { flags |= Self.manyQueues }
        func id(_ type: UInt16) -> Int32 { data[type: type]?.number.map { Int32(bitPattern: $0) } ?? -1 }
        self.init(flags: flags, owner: id(Attribute.owner), group: id(Attribute.group))
    }
}
