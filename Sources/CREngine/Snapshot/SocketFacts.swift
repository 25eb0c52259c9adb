/// One socket of the tree, as sock_diag(7) or the socket's own name in /proc tell it.
package struct SocketFacts: Equatable, Sendable {
    package enum Family: String, Sendable {
        case unix
        case tcp
        /// UDP-Lite too.
        case udp
        case raw
        /// ICMP sockets of unprivileged programs.
        case ping
        case packet
        case netlink
        case other
    }
    /// States that TCP and unix sockets share the numbers of; include/net/tcp_states.h.
    package enum State: UInt8, Sendable {
        case established = 1
        case synSent = 2
        case synReceived = 3
        case finWait1 = 4
        case finWait2 = 5
        case timeWait = 6
        case close = 7
        case closeWait = 8
        case lastAck = 9
        case listen = 10
        case closing = 11
        case newSynReceived = 12
    }
    package var inode: UInt64
    package var family: Family
    /// `TCP`, `UDPv6`, `NETLINK`, `UNIX-STREAM`, `PACKET`… as the kernel calls the protocol; empty if it does not say.
    package var protocolName: String
    /// SOCK_STREAM 1, SOCK_DGRAM 2, SOCK_SEQPACKET 5; 0 where unknown.
    package var type: UInt32 = 0
    package var state: State?
    /// `10.1.3.7:40122`, `[::1]:80`; the bound name of a unix socket with `@` for an abstract one; empty for none.
    package var local = ""
    package var remote = ""
    /// 4 or 16 bytes in network order; empty where unknown.
    package var localAddress: [UInt8] = []
    /// 4 or 16 bytes in network order.
    package var remoteAddress: [UInt8] = []
    package var localPort: UInt16 = 0
    package var remotePort: UInt16 = 0
    /// Inode of the other end of a connected unix socket; 0 where it has none.
    package var peerInode: UInt64 = 0
    /// The other end's bound name.
    package var peerName = ""
    /// Of a unix socket that sock_diag(7) lists.
    package var unix: UnixSocketFacts?

    /// Bytes that wait to be read, with the kernel's overhead where it counts that; of a listening TCP socket the
    /// connections that wait for accept(2).
    package var unread: UInt32 = 0
    /// Bytes on their way out, with the kernel's overhead; of a datagram that is held back for the rest of it, too.
    package var unsent: UInt32 = 0
    /// RCV_SHUTDOWN 1, SEND_SHUTDOWN 2.
    package var shutdown: UInt8 = 0
    /// TCP_ULP of tcp(7): `tls`; empty for none.
    package var upperLayer = ""
    /// TCP_MD5SIG or TCP-AO keys.
    package var hasSignatures = false
    package var packet: PacketFacts?

    package init(inode: UInt64, family: Family, protocolName: String) {
        self.inode = inode
        self.family = family
        self.protocolName = protocolName
    }
}

/// What packet_diag alone tells of a packet socket.
package struct PacketFacts: Equatable, Sendable {
    package var copyThreshold: UInt32 = 0
    package var memberships: [PacketSocketImage.Membership] = []
    package var hasRing = false
    package var hasFanout = false
    package init() {}
}
