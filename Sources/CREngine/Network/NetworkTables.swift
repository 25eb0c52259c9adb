/// Addresses, routes, rules and neighbours of a namespace, without what the kernel adds by itself.
enum NetworkTables {
    typealias Refusal = NetlinkConnection.Refusal

    private static let localTable: UInt32 = 255
    private static let mainTable: UInt32 = 254
    private static let cloned: UInt32 = 0x200
    /// RTPROT_REDIRECT and RTPROT_KERNEL
    private static let kernelProtocols: ClosedRange<UInt8> = 1...2
    private static let tableAttribute: UInt16 = 15
    private static let permanent: UInt16 = 0x80
    private static let noARP: UInt16 = 0x40
    private static let priorityAttribute: UInt16 = 6

    static func addresses(_ connection: inout NetlinkConnection) throws(Refusal) -> [NetlinkMessage] {
        try connection.dump(
            RouteNetlink.all(RouteNetlink.getAddress, 0, head: RouteNetlink.Head.address))
    }

    /// Of every table; in that of local addresses only what somebody has added.
    static func routes(
        _ family: UInt8, _ connection: inout NetlinkConnection
    ) throws(Refusal) -> [NetlinkMessage] {
        try connection.dump(
            RouteNetlink.all(RouteNetlink.getRoute, family, head: RouteNetlink.Head.route)
        ).filter { isToBeKept($0) }.map(NetworkTables.usable)
    }

    /// A route without what is of the moment, and so that it can be added: a carrier that is missing makes its hop dead,
    /// and the time that it has left is told in a place from which it is not taken.
    static func usable(_ route: NetlinkMessage) -> NetlinkMessage {
        let kept: UInt32 = 6  // RTNH_F_PERVASIVE and RTNH_F_ONLINK
        var attributes = route.attributes(after: RouteNetlink.Head.route)
        for place in attributes.indices where attributes[place].type == multipath {
            attributes[place].value = withLastingFlags(attributes[place].value, UInt8(kept))
        }
        let cache = attributes[type: cacheInformation]
        if let cache, cache.value.count >= 12, attributes[type: expiry] == nil {
            let ticks = Int32(bitPattern: cache.value[...].word(8))
            let ticksPerSecond: Int32 = 100
            if ticks > 0 { attributes.append(NetlinkAttribute(expiry, UInt32(ticks / ticksPerSecond))) }
        }
        var head = Array(route.body.prefix(RouteNetlink.Head.route))
        let flags = route.word(8) & kept
        head.replaceSubrange(8..<12, with: SockDiag.bytes(flags))
        return NetlinkMessage(
            type: route.type, flags: route.flags, body: head + attributes.flatMap(\.bytes))
    }

    /// Rows of `struct rtnexthop`: length (2 bytes), flags (1), weight (1), link (4), attributes.
    private static func withLastingFlags(_ hops: [UInt8], _ kept: UInt8) -> [UInt8] {
        var hops = hops
        var start = 0
        while start + 8 <= hops.count {
            let length = Int(hops[start]) | Int(hops[start + 1]) << 8
            if length < 8 { break }
            hops[start + 2] &= kept
            start += (length + 3) & ~3
        }
        return hops
    }

    private static let multipath: UInt16 = 9
    private static let cacheInformation: UInt16 = 12
    private static let expiry: UInt16 = 23

    static func isToBeKept(_ route: NetlinkMessage) -> Bool {
        if route.word(8) & cloned != 0 { return false }
        if table(of: route) == localTable { return !kernelProtocols.contains(route.byte(5)) }
        // ff00::/8 of every link, and what a redirect has taught.
        let isOfTheKernel = kernelProtocols.contains(route.byte(5))
        let isMulticast = route.byte(7) == 5 && route.byte(0) == RouteNetlink.Family.six
        return !(isOfTheKernel && (isMulticast || route.byte(5) == 1))
    }

    static func table(of route: NetlinkMessage) -> UInt32 {
        route.attributes(after: RouteNetlink.Head.route)[type: tableAttribute]?.number
            ?? UInt32(route.byte(4))
    }

    static func rules(
        _ family: UInt8, _ connection: inout NetlinkConnection
    ) throws(Refusal) -> [NetlinkMessage] {
        try connection.dump(RouteNetlink.all(RouteNetlink.getRule, family, head: RouteNetlink.Head.rule))
    }

    /// A rule that the kernel makes in every namespace: all packets to a table of its own, by priorities 0, 32766 and
    /// 32767.
    static func isOfTheKernel(_ rule: NetlinkMessage) -> Bool {
        let priority =
            rule.attributes(after: RouteNetlink.Head.rule)[type: priorityAttribute]?.number ?? 0
        let protocolNumber = rule.attributes(after: RouteNetlink.Head.rule)[type: 21]?.value.first ?? 0
        return [0, 32766, 32767].contains(priority) && protocolNumber == 2
    }

    /// Neighbours that somebody has set, and rows of bridges that do not age; what traffic teaches is left out.
    static func neighbours(_ connection: inout NetlinkConnection) throws(Refusal) -> [NetlinkMessage] {
        var found: [NetlinkMessage] = []
        for family in [RouteNetlink.Family.four, RouteNetlink.Family.six] {
            found += try connection.dump(
                RouteNetlink.all(RouteNetlink.getNeighbour, family, head: RouteNetlink.Head.neighbour)
            ).filter { state(of: $0) & permanent != 0 }
        }
        // NTF_PROXY: whom it answers for is in a table of its own.
        for family in [RouteNetlink.Family.four, RouteNetlink.Family.six] {
            var request = RouteNetlink.all(
                RouteNetlink.getNeighbour, family, head: RouteNetlink.Head.neighbour)
            request.body[10] = 8
            found += try connection.dump(request).filter { $0.byte(10) & 8 != 0 }
        }
        found += try connection.dump(
            RouteNetlink.all(
                RouteNetlink.getNeighbour, RouteNetlink.Family.bridge, head: RouteNetlink.Head.neighbour)
        ).filter(isStaticForwarding)
        return found.map(withoutTimes)
    }

    /// How long ago it was used, and how often it was asked for.
    private static func withoutTimes(_ neighbour: NetlinkMessage) -> NetlinkMessage {
        let ofTheMoment: Set<UInt16> = [3, 4]  // NDA_CACHEINFO, NDA_PROBES
        let attributes = neighbour.attributes(after: RouteNetlink.Head.neighbour).filter {
            !ofTheMoment.contains($0.type)
        }
        let head = Array(neighbour.body.prefix(RouteNetlink.Head.neighbour))
        return NetlinkMessage(
            type: neighbour.type, flags: neighbour.flags, body: head + attributes.flatMap(\.bytes))
    }

    private static func state(of neighbour: NetlinkMessage) -> UInt16 {
        UInt16(neighbour.byte(8)) | UInt16(neighbour.byte(9)) << 8
    }

    /// NDA_MASTER (9) names the bridge. A permanent row that nobody has added is the port's own address; of those,
    /// and of the multicast addresses of devices, the kernel takes care.
    private static func isStaticForwarding(_ row: NetlinkMessage) -> Bool {
        let attributes = row.attributes(after: RouteNetlink.Head.neighbour)
        guard attributes[type: 9] != nil else { return false }
        return state(of: row) & noARP != 0 && state(of: row) & permanent == 0
    }
}
