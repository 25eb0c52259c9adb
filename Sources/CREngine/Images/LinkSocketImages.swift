/// A socket of AF_PACKET; see packet(7).
package struct PacketSocketImage: Equatable, Sendable {
    package struct Membership: Equatable, Sendable {
        /// Index of the interface.
        package var interface: UInt32
        /// PACKET_MR_*.
        package var type: UInt32
        package var address: [UInt8]
        package init(interface: UInt32, type: UInt32, address: [UInt8]) {
            self.interface = interface
            self.type = type
            self.address = address
        }
    }
    /// SOCK_RAW 3, SOCK_DGRAM 2.
    package var type: UInt32
    /// Ethernet protocol in network order.
    package var proto: UInt32
    package var flags: UInt32 = 0
    /// Index of the interface that it is bound to; 0 for all.
    package var interface: UInt32 = 0
    package var owner = OwnerImage()
    package var options = SocketOptionsImage()
    /// TPACKET_V1 0, V2 1, V3 2.
    package var version: UInt32 = 0
    package var reserve: UInt32 = 0
    package var auxData = false
    package var originalDevice = false
    package var netHeader = false
    package var loss = false
    package var timestamp: UInt32 = 0
    package var copyThreshold: UInt32 = 0
    package var memberships: [Membership] = []
    /// PACKET_FANOUT as getsockopt(2) gives it; nil for none.
    package var fanout: UInt32?
    /// It has ring buffers, which this build does not make.
    package var hasRing = false
    /// Number of its namespace in the images, where the tree has one of its own.
    package var networkNamespace: UInt32?
    package init(type: UInt32, proto: UInt32) {
        self.type = type
        self.proto = proto
    }
}

/// A socket of AF_NETLINK; see netlink(7).
package struct NetlinkSocketImage: Equatable, Sendable {
    package var inode: UInt32
    package var proto: UInt32
    /// 7 not connected, 1 connected.
    package var state: UInt32 = 7
    package var flags: UInt32 = 0
    package var port: UInt32 = 0
    /// Bit n-1 of the words together is group n.
    package var groups: [UInt32] = []
    package var remotePort: UInt32 = 0
    /// Number of the group that it sends to; 0 for none.
    package var remoteGroup: UInt32 = 0
    package var owner = OwnerImage()
    package var options = SocketOptionsImage()
    /// Number of its namespace in the images, where the tree has one of its own.
    package var networkNamespace: UInt32?
    package init(inode: UInt32, proto: UInt32) {
        self.inode = inode
        self.proto = proto
    }
}
