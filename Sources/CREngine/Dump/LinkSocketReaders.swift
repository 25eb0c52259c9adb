import CPlatform
import Glibc

/// State and options of a socket of AF_PACKET, read through a duplicate of its descriptor and from packet_diag.
enum PacketSocketReader {
    private static let version: Int32 = 10
    private static let auxData: Int32 = 8
    private static let originalDevice: Int32 = 9
    private static let reserve: Int32 = 12
    private static let loss: Int32 = 14
    private static let netHeader: Int32 = 15
    private static let timestamp: Int32 = 17
    private static let fanout: Int32 = 18

    static func read(
        _ fd: Int32, facts: SocketFacts?, flags: UInt32, owner: OwnerImage
    ) throws(Errno) -> PacketSocketImage {
        func number(_ name: Int32) throws(Errno) -> UInt32 {
            try SocketCalls.number(fd, SocketOption.packetLevel, name)
        }
        // struct sockaddr_ll: family, protocol in network order, interface
        let address = try SocketCalls.localAddress(fd)
        guard address.count >= 8 else { throw .invalid }
        let proto = UInt32(address[2]) | UInt32(address[3]) << 8
        var image = PacketSocketImage(
            type: try SocketCalls.number(fd, SocketOption.socketLevel, SocketOption.type), proto: proto)
        image.interface = TCPOption.word(address, 4)
        image.flags = flags
        image.owner = owner
        image.options = try SocketOptionsReader.read(fd, credentials: false)
        image.version = try number(version)
        image.reserve = try number(reserve)
        image.auxData = try number(auxData) != 0
        image.originalDevice = try number(originalDevice) != 0
        image.netHeader = try number(netHeader) != 0
        image.loss = try number(loss) != 0
        image.timestamp = try number(timestamp)
        image.copyThreshold = facts?.packet?.copyThreshold ?? 0
        image.memberships = facts?.packet?.memberships ?? []
        if facts?.packet?.hasFanout == true { image.fanout = try number(fanout) }
        return image
    }
}

/// State and options of a socket of AF_NETLINK, read through a duplicate of its descriptor and from netlink_diag.
enum NetlinkSocketReader {
    private static let listMemberships: Int32 = 9

    static func read(
        _ fd: Int32, inode: UInt64, facts: SocketFacts?, flags: UInt32, owner: OwnerImage
    ) throws(Errno) -> NetlinkSocketImage {
        let proto = try SocketCalls.number(fd, SocketOption.socketLevel, SocketOption.proto)
        var image = NetlinkSocketImage(inode: UInt32(truncatingIfNeeded: inode), proto: proto)
        image.flags = flags
        image.owner = owner
        image.options = try SocketOptionsReader.read(fd, credentials: true)
        // struct sockaddr_nl: family, padding, port, groups
        let own = try SocketCalls.localAddress(fd)
        image.port = TCPOption.word(own, 4)
        let far = try SocketCalls.remoteAddress(fd)
        image.remotePort = TCPOption.word(far, 4)
        // The address has a mask of groups, the image the number of its one group.
        let mask = TCPOption.word(far, 8)
        if mask != 0 { image.remoteGroup = UInt32(mask.trailingZeroBitCount) + 1 }
        if image.remotePort != 0 || image.remoteGroup != 0 { image.state = 1 }
        let groups = try SocketCalls.option(
            fd, SocketOption.netlinkLevel, listMemberships, size: 128)
        image.groups = stride(from: 0, to: groups.count, by: 4).map { TCPOption.word(groups, $0) }
        while image.groups.last == 0 { image.groups.removeLast() }
        return image
    }
}
