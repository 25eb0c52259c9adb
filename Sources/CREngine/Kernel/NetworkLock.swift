import CPlatform
import Glibc

/// The packet filter that holds connections still: nothing of them goes in or out, but for segments with a mark of our
/// own. Table and mark are CRIU's, so that a stock `criu restore` finds and takes away what we leave.
package struct ConnectionLock: Sendable, Equatable {
    /// Ends of one connection, IPv4 inside of IPv6 as IPv4.
    package struct Ends: Hashable, Sendable, Codable {
        package var local: InetEndpoint
        package var remote: InetEndpoint
        package init(local: InetEndpoint, remote: InetEndpoint) {
            self.local = local.unmapped
            self.remote = remote.unmapped
        }

        package var reversed: Ends { Ends(local: remote, remote: local) }

        /// An element of a set: `127.0.0.1 . 80 . 127.0.0.1 . 40000`
        var element: String {
            "\(local.host) . \(local.port) . \(remote.host) . \(remote.port)"
        }
    }
    package static let mark: UInt32 = 0xc114

    package var table: String
    package var connections: [Ends]

    /// `runID` is the UUID text of the dump.
    package init(runID: String, connections: [Ends]) {
        table = Self.tableName(runID: runID)
        self.connections = connections
    }

    package init(table: String, connections: [Ends]) {
        self.table = table
        self.connections = connections
    }

    /// CRIU keeps `inet CRIU-UUID` in 32 bytes, so the last 15 of the UUID are missing.
    package static func tableName(runID: String) -> String { "CRIU-\(runID.prefix(21))" }

    /// Commands that make the table. An owned one lives as long as the conversation that makes it.
    func creation(isOwned: Bool) -> String {
        var text = "table inet \(table) {\n"
        if isOwned { text += "flags owner\n" }
        for (name, type, size) in [("conns4", "ipv4_addr", 4), ("conns6", "ipv6_addr", 16)] {
            let elements = connections.filter { $0.local.address.count == size }.map(\.element)
            text += "set \(name) {\ntype \(type) . inet_service . \(type) . inet_service\n"
            if !elements.isEmpty { text += "elements = { \(elements.joined(separator: ", ")) }\n" }
            text += "}\n"
        }
        for (hook, near, far) in [("output", "s", "d"), ("input", "d", "s")] {
            text += "chain \(hook) {\ntype filter hook \(hook) priority 0\n"
            text += "meta mark \(Self.mark) accept\n"
            for (family, set) in [("ip", "conns4"), ("ip6", "conns6")] {
                text += "\(family) \(near)addr . tcp \(near)port . \(family) \(far)addr . tcp \(far)port"
                text += " @\(set) drop\n"
            }
            text += "}\n"
        }
        return text + "}\n"
    }

    var removal: String { "delete table inet \(table)\n" }
}

/// A lock as a dump or a restore takes it: gone with this value, or with the process, unless it is made to stay.
package struct NetworkLock: ~Copyable {
    package let lock: ConnectionLock
    private let filter: PacketFilter

    package init(_ lock: ConnectionLock) throws(PacketFilter.Failure) {
        let filter = try PacketFilter()
        try filter.run(lock.creation(isOwned: true))
        self.lock = lock
        self.filter = filter
    }

    /// Puts a table that stays in the place of the owned one, in one transaction.
    package func persist() throws(PacketFilter.Failure) {
        try filter.run(lock.removal + lock.creation(isOwned: false))
    }

    /// Takes the lock away, whichever of both it is.
    package consuming func release() throws(PacketFilter.Failure) {
        try filter.run(lock.removal)
    }

    /// The text of a table; nil where there is none of the name.
    package static func listing(table: String) throws(PacketFilter.Failure) -> String? {
        let filter = try PacketFilter()
        guard try filter.run("list tables inet").split(separator: "\n").contains("table inet \(table)") else {
            return nil
        }
        return try filter.run("list table inet \(table)")
    }

    /// Names of all tables of locks that stay.
    package static func tables() throws(PacketFilter.Failure) -> Set<String> {
        let filter = try PacketFilter()
        return Set(
            try filter.run("list tables inet").split(separator: "\n").compactMap { line in
                line.split(separator: " ").last.map(String.init)
            })
    }

    /// Takes a table away that an earlier process left; false where there is none.
    package static func remove(table: String) throws(PacketFilter.Failure) -> Bool {
        let filter = try PacketFilter()
        guard try filter.run("list tables inet").split(separator: "\n").contains("table inet \(table)") else {
            return false
        }
        try filter.run("delete table inet \(table)")
        return true
    }
}
