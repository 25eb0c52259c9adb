/// A socket of AF_INET or AF_INET6: TCP, UDP, UDP-Lite, raw or ICMP.
package struct InetSocketImage: Equatable, Sendable {
    /// The socket's inode number; it names the connection's `TCPStreamImage`.
    package var inode: UInt32
    /// AF_INET 2, AF_INET6 10.
    package var family: UInt32
    /// SOCK_STREAM 1, SOCK_DGRAM 2, SOCK_RAW 3.
    package var type: UInt32
    /// IPPROTO_*; of a raw socket any number.
    package var proto: UInt32
    /// include/net/tcp_states.h; 7 where there is no connection, also of other protocols than TCP.
    package var state: UInt32 = 7
    package var flags: UInt32 = 0
    /// Of a listening socket.
    package var backlog: UInt32 = 0
    /// 0 and zeroes where it is not bound.
    package var local: InetEndpoint
    /// 0 and zeroes where it is not connected.
    package var remote: InetEndpoint
    package var owner = OwnerImage()
    package var options = SocketOptionsImage()
    /// IPV6_V6ONLY.
    package var onlyIPv6: Bool?
    package var ip = IPOptionsImage()
    package var tcp: TCPOptionsImage?
    /// Scope of a link-local address.
    package var interface: String?
    /// Bit 0 no more reading, bit 1 no more writing; nil for neither.
    package var shutdown: UInt32?
    /// Number of its namespace in the images, where the tree has one of its own.
    package var networkNamespace: UInt32?

    package init(inode: UInt32, family: UInt32, type: UInt32, proto: UInt32) {
        self.inode = inode
        self.family = family
        self.type = type
        self.proto = proto
        local = InetEndpoint(address: [UInt8](repeating: 0, count: family == 10 ? 16 : 4), port: 0)
        remote = local
    }

    /// Whether it is an end of a TCP connection, of whatever state but CLOSE.
    package var isConnection: Bool { type == 1 && remote.port != 0 && state != 7 }
    /// Whether it has been one. CRIU writes the peer of a connection that was reset, with the state CLOSE.
    package var wasConnection: Bool { type == 1 && remote.port != 0 && state == 7 }
    /// TCP that waits for connections.
    package var listens: Bool { type == 1 && state == 10 }
}

/// Options of ip(7) that CRIU carries. Nil for the default.
package struct IPOptionsImage: Equatable, Sendable {
    package var freeBind: Bool?
    package var packetInfo: Bool?
    package var tos: UInt32?
    package var ttl: UInt32?
    /// Raw sockets: IP_HDRINCL and IP_NODEFRAG.
    package var includesHeader: Bool?
    package var defragmentsNot: Bool?
    /// ICMP_FILTER, one word.
    package var icmpFilter: [UInt32] = []
    package init() {}
}

/// Options of tcp(7) that CRIU carries.
package struct TCPOptionsImage: Equatable, Sendable {
    package var cork: Bool?
    package var noDelay: Bool?
    package var keepCount: UInt32?
    /// Seconds.
    package var keepIdle: UInt32?
    /// Seconds.
    package var keepInterval: UInt32?
    package init() {}
}

/// What a socket has beyond CRIU's fields for it; kept in our own `crplan.json`.
package struct SocketExtras: Equatable, Sendable, Codable {
    /// One option of setsockopt(2), as getsockopt(2) gave it.
    package struct Option: Equatable, Sendable, Codable {
        package var level: Int32
        package var name: Int32
        package var value: [UInt8]
        package init(level: Int32, name: Int32, value: [UInt8]) {
            self.level = level
            self.name = name
            self.value = value
        }
    }
    /// One group that the socket has joined; see ip(7) and ipv6(7).
    package struct Membership: Equatable, Sendable, Codable {
        package var interface: String
        /// 4 or 16 bytes.
        package var group: [UInt8]
        /// MCAST_EXCLUDE 0 or MCAST_INCLUDE 1.
        package var mode: UInt32
        package var sources: [[UInt8]]
        package init(interface: String, group: [UInt8], mode: UInt32, sources: [[UInt8]]) {
            self.interface = interface
            self.group = group
            self.mode = mode
            self.sources = sources
        }
    }
    /// Owner of the socket, by which the kernel judges SO_REUSEPORT and packet filters see it.
    package var uid: UInt32?
    package var gid: UInt32?
    package var options: [Option]?
    package var memberships: [Membership]?
    package init() {}
}
