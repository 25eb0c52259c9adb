import CPlatform
import Glibc

/// What a look at a network namespace tells, as far as a dump must decide by it.
package struct NetworkFacts: Equatable, Sendable {
    /// Where the other end of a pair, or the link below, is.
    package enum Place: Equatable, Sendable {
        case inside
        /// In another namespace of the tree.
        case tree
        /// Where we are.
        case home
        /// In none of them.
        case elsewhere
    }
    package struct Link: Equatable, Sendable {
        package var name: String
        package var kind: NetworkLink.Kind
        /// Nil where the link has no other.
        package var other: Place?
        /// Ports of something that is no bridge are not carried.
        package var portKind: String?
        /// tun: it stays without a process that holds it.
        package var persists = true
        package var hasProgram = false
        package var filtersVLANs = false
    }

    package var links: [Link] = []
    /// Objects that are not carried, each as a sentence's subject: `3 queueing disciplines`.
    package var notCarried: [String] = []
    /// A rule of iptables that looks into a set of its own.
    package var foreignRule: String?

    package init() {}
}

/// Looks at the network namespace of a descriptor; changes nothing in it.
enum NetworkScan {
    /// That of a process, as seen from where we are.
    static func read(of pid: PID) throws(NetworkError) -> NetworkFacts {
        let home = try NetworkNamespace.own()
        let namespace = try NetworkNamespace.of(pid)
        return try read(namespace.rawValue, home: home.rawValue)
    }

    /// `home` is where we are; `tree` are the other namespaces of the tree.
    static func read(
        _ namespace: Int32, home: Int32, tree: [Int32] = []
    ) throws(NetworkError) -> NetworkFacts {
        try NetworkNamespace.visit(namespace) { () throws(NetworkError) -> NetworkFacts in
            var facts = NetworkFacts()
            var connection = try NetlinkConnection.open(.route)
            do throws(NetlinkConnection.Refusal) {
                let homeNumber = try RouteNetlink.namespaceNumber(of: home, &connection)
                var treeNumbers: Set<Int32> = []
                for other in tree {
                    if let number = try RouteNetlink.namespaceNumber(of: other, &connection) {
                        treeNumbers.insert(number)
                    }
                }
                facts.notCarried = try objects(&connection)
                for link in try links(&connection) {
                    facts.links.append(row(link, home: homeNumber, tree: treeNumbers))
                }
            } catch {
                throw error.about("network namespace", "cannot be looked at")
            }
            facts.foreignRule = ForeignRules.unwritable(try ForeignRules.read())?.name
            return facts
        }
    }

    private static func links(
        _ connection: inout NetlinkConnection
    ) throws(NetlinkConnection.Refusal) -> [NetworkLink] {
        try connection.dump(RouteNetlink.link(RouteNetlink.getLink, index: 0, [])).map { NetworkLink($0) }
            .filter { !$0.isFallback }
    }

    private static func row(_ link: NetworkLink, home: Int32?, tree: Set<Int32>) -> NetworkFacts.Link {
        var row = NetworkFacts.Link(name: link.name, kind: link.kind, portKind: link.portKind)
        if link.lower != nil {
            row.other =
                switch link.lowerNamespace {
                case nil: .inside
                case let number? where number == home: .home
                case let number? where tree.contains(number): .tree
                case .some: .elsewhere
                }
        }
        row.hasProgram = link.hasProgram
        if link.kind == .tun { row.persists = link.data[type: 6]?.value.first ?? 0 != 0 }
        if link.kind == .bridge { row.filtersVLANs = link.data[type: 7]?.value.first ?? 0 != 0 }
        return row
    }

    private static func objects(
        _ connection: inout NetlinkConnection
    ) throws(NetlinkConnection.Refusal) -> [String] {
        var found: [String] = []
        func add(_ count: Int, _ one: String, _ many: String) {
            if count > 0 { found.append(count == 1 ? "a \(one)" : "\(count) \(many)") }
        }
        // Those that the kernel has put there have no handle.
        let queueing = try connection.dump(
            RouteNetlink.all(RouteNetlink.getQueueing, 0, head: RouteNetlink.Head.queueing)
        ).filter { $0.word(8) != 0 }
        add(queueing.count, "queueing discipline of tc", "queueing disciplines of tc")
        let hops = try count(
            RouteNetlink.all(RouteNetlink.getNextHop, 0, head: RouteNetlink.Head.nextHop), &connection)
        add(hops, "nexthop object", "nexthop objects")
        if var transformations = try? NetlinkConnection(.transformation) {
            let getState = 18 as UInt16
            let getPolicy = 21 as UInt16
            for (type, name) in [(getState, "security association"), (getPolicy, "policy")] {
                let count = try count(NetlinkMessage(type: type, body: []), &transformations)
                add(count, "\(name) of IPsec", "\(name) objects of IPsec")
            }
        }
        if var filter = try? NetlinkConnection(.netfilter) {
            let listSets = 6 << 8 | 7 as UInt16
            let version = NetlinkAttribute(1, [6])
            let sets = try count(
                NetlinkMessage(type: listSets, body: [2, 0, 0, 0] + version.bytes), &filter)
            add(sets, "set of ipset", "sets of ipset")
        }
        let table = (try? ProcText.read("/proc/thread-self/net/ip_vs")) ?? ""
        add(max(0, table.split(separator: "\n").count - 3), "service of ipvs", "services of ipvs")
        return found
    }

    /// Rows of a table; a kernel without the facility has none.
    private static func count(
        _ request: NetlinkMessage, _ connection: inout NetlinkConnection
    ) throws(NetlinkConnection.Refusal) -> Int {
        do throws(NetlinkConnection.Refusal) {
            return try connection.dump(request).count
        } catch {
            let absent: [Int32] = [EINVAL, EOPNOTSUPP, ENOPROTOOPT, EPROTONOSUPPORT]
            if absent.contains(error.errno.rawValue) { return 0 }
            throw error
        }
    }
}
