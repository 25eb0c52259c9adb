import Glibc

/// Puts addresses, routes, rules and neighbours of an image into a new namespace, and takes away what the kernel has
/// added that the image has not. Runs inside it, when its links are up.
struct NetworkTablesBuilder: ~Copyable {
    private typealias Flag = NetlinkConnection.Flag
    private static let subject = "network namespace"

    private var connection: NetlinkConnection

    init(connection: consuming NetlinkConnection) { self.connection = connection }

    mutating func restore(_ image: NetworkNamespaceImage) throws(NetworkError) {
        try restoreAddresses(image.addresses)
        try restoreRoutes(image.routes, RouteNetlink.Family.four)
        try restoreRoutes(image.routes6, RouteNetlink.Family.six)
        try restoreRules(image.rules, RouteNetlink.Family.four)
        try restoreRules(image.details.rules6, RouteNetlink.Family.six)
        for row in image.details.neighbours {
            try add(row, Flag.create | Flag.replace, "neighbour")
        }
    }

    /// An address and where it is.
    private struct AddressKey: Hashable {
        private let bytes: [UInt8]

        init(_ message: NetlinkMessage) {
            let attributes = message.attributes(after: RouteNetlink.Head.address)
            let address = 1 as UInt16
            let local = 2 as UInt16
            let value = (attributes[type: local] ?? attributes[type: address])?.value ?? []
            bytes = [message.byte(0), message.byte(1)] + message.body.dropFirst(4).prefix(4) + value
        }
    }

    private mutating func restoreAddresses(_ addresses: [NetlinkMessage]) throws(NetworkError) {
        for address in addresses { try add(address, Flag.create | Flag.replace, "address") }
        let wanted = Set(addresses.map(AddressKey.init))
        for address in try read({ (connection) throws(NetlinkConnection.Refusal) in
            try NetworkTables.addresses(&connection)
        }) where !wanted.contains(AddressKey(address)) {
            try delete(address, RouteNetlink.deleteAddress, "address")
        }
    }

    private mutating func restoreRoutes(
        _ routes: [NetlinkMessage], _ family: UInt8
    ) throws(NetworkError) {
        let wanted = routes.map(NetworkTables.usable)
        // A gateway is to be reached before it is used, so what cannot be added yet is tried again.
        var rest = wanted
        while !rest.isEmpty {
            var refused: [(NetlinkMessage, NetworkError)] = []
            for route in rest {
                do throws(NetworkError) {
                    try add(route, Flag.create | Flag.append, "route")
                } catch {
                    refused.append((route, error))
                }
            }
            if let first = refused.first, refused.count == rest.count { throw first.1 }
            rest = refused.map(\.0)
        }
        // Those that came with the addresses and that somebody had removed, by now without need of them.
        let keys = Set(wanted.map(RouteKey.init))
        for route in try read({ (connection) throws(NetlinkConnection.Refusal) in
            try NetworkTables.routes(family, &connection)
        }) where !keys.contains(RouteKey(route)) {
            try delete(route, RouteNetlink.deleteRoute, "route")
        }
    }

    /// What makes a route another one: family, destination, table, priority, and where it leads.
    private struct RouteKey: Hashable {
        private let bytes: [UInt8]

        init(_ route: NetlinkMessage) {
            let told: Set<UInt16> = [12, 23]  // RTA_CACHEINFO, RTA_EXPIRES
            let attributes = route.attributes(after: RouteNetlink.Head.route).filter {
                !told.contains($0.type)
            }
            bytes = route.body.prefix(8) + attributes.sorted { $0.type < $1.type }.flatMap(\.bytes)
        }
    }

    private mutating func restoreRules(
        _ rules: [NetlinkMessage], _ family: UInt8
    ) throws(NetworkError) {
        // An image without any leaves those of the kernel, as an image of a stock `criu` does for IPv6.
        if rules.isEmpty { return }
        let present = try read({ (connection) throws(NetlinkConnection.Refusal) in
            try NetworkTables.rules(family, &connection)
        })
        let wanted = rules.map(Self.usable)
        for rule in present where !wanted.contains(where: { $0.body == Self.usable(rule).body }) {
            try delete(rule, RouteNetlink.deleteRule, "rule")
        }
        for rule in wanted where !present.contains(where: { Self.usable($0).body == rule.body }) {
            try add(rule, Flag.create | Flag.exclusive, "rule")
        }
    }

    /// Of the flags of a rule only the inversion is given.
    private static func usable(_ rule: NetlinkMessage) -> NetlinkMessage {
        var rule = rule
        let invert: UInt32 = 2
        guard rule.body.count >= RouteNetlink.Head.rule else { return rule }
        rule.body.replaceSubrange(8..<12, with: SockDiag.bytes(rule.word(8) & invert))
        return rule
    }

    private mutating func add(
        _ row: NetlinkMessage, _ flags: UInt16, _ what: String
    ) throws(NetworkError) {
        var row = row
        row.flags = flags
        do throws(NetlinkConnection.Refusal) {
            try connection.perform(row)
        } catch {
            if error.errno == .exists { return }
            throw error.about("\(what) of a network namespace", "cannot be added")
        }
    }

    private mutating func delete(
        _ row: NetlinkMessage, _ type: UInt16, _ what: String
    ) throws(NetworkError) {
        do throws(NetlinkConnection.Refusal) {
            try connection.perform(NetlinkMessage(type: type, body: row.body))
        } catch {
            // With an address its routes have gone.
            if [ESRCH, EADDRNOTAVAIL].contains(error.errno.rawValue) { return }
            throw error.about("\(what) of a network namespace", "that the kernel made cannot be removed")
        }
    }

    private mutating func read(
        _ body: (inout NetlinkConnection) throws(NetlinkConnection.Refusal) -> [NetlinkMessage]
    ) throws(NetworkError) -> [NetlinkMessage] {
        do throws(NetlinkConnection.Refusal) {
            return try body(&connection)
        } catch {
            throw error.about(Self.subject, "what is there cannot be read")
        }
    }
}
