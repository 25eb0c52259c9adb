import CPlatform
import Glibc

/// Makes packet and netlink sockets again.
struct LinkSockets {
    let extras: [UInt32: SocketExtras]

    func open(_ id: UInt32, _ image: PacketSocketImage) throws(RestoreError) -> OwnedFD {
        let subject = "packet socket \(id)"
        if image.hasRing {
            throw RestoreError(subject, "has ring buffers, which cannot be restored yet")
        }
        // Without a protocol nothing comes in before the filter is there.
        let socket = try RestoreError.about(subject, "cannot be made") { () throws(Errno) in
            try SocketCalls.make(UInt32(AF_PACKET), image.type, 0)
        }
        let fd = socket.rawValue
        let setter = SocketOptionsSetter(
            fd: fd, subject: subject, options: image.options, extras: extras[id])
        let numbers: [(name: Int32, value: UInt32)] = [
            (10, image.version), (12, image.reserve), (8, image.auxData ? 1 : 0),
            (9, image.originalDevice ? 1 : 0), (15, image.netHeader ? 1 : 0), (14, image.loss ? 1 : 0),
            (17, image.timestamp), (7, image.copyThreshold),
        ]
        for number in numbers where number.value != 0 {
            try RestoreError.about(subject, "its option \(number.name) of packet(7) cannot be set") {
                () throws(Errno) in
                try SocketCalls.set(fd, SocketOption.packetLevel, number.name, number.value)
            }
        }
        try setter.setBeforeBind()
        for membership in image.memberships {
            // struct packet_mreq_max
            let request =
                SocketCalls.bytes(of: membership.interface)
                + SocketCalls.bytes(of: membership.type | UInt32(membership.address.count) << 16)
                + membership.address
                + [UInt8](repeating: 0, count: max(0, 8 - membership.address.count))
            try RestoreError.about(subject, "it cannot join interface \(membership.interface)") {
                () throws(Errno) in
                let addMembership: Int32 = 1
                try SocketCalls.set(fd, SocketOption.packetLevel, addMembership, request)
            }
        }
        // struct sockaddr_ll
        let proto = [UInt8(truncatingIfNeeded: image.proto), UInt8(truncatingIfNeeded: image.proto >> 8)]
        let address =
            [UInt8(AF_PACKET), 0] + proto + SocketCalls.bytes(of: image.interface)
            + [UInt8](repeating: 0, count: 12)
        try RestoreError.about(subject, "cannot be bound to interface \(image.interface)") {
            () throws(Errno) in try SocketCalls.bind(fd, address)
        }
        if let fanout = image.fanout {
            try RestoreError.about(subject, "cannot join fan-out group \(fanout & 0xffff)") {
                () throws(Errno) in
                let joinFanout: Int32 = 18
                try SocketCalls.set(fd, SocketOption.packetLevel, joinFanout, fanout)
            }
        }
        try setter.setAfterBind()
        try setter.setFlags(image.flags)
        return socket
    }

    func open(_ id: UInt32, _ image: NetlinkSocketImage) throws(RestoreError) -> OwnedFD {
        let subject = "netlink socket \(id) of protocol \(image.proto)"
        let socket = try RestoreError.about(subject, "cannot be made") { () throws(Errno) in
            try SocketCalls.make(UInt32(AF_NETLINK), 3, image.proto)
        }
        let fd = socket.rawValue
        let setter = SocketOptionsSetter(
            fd: fd, subject: subject, options: image.options, extras: extras[id])
        try setter.setBeforeBind()
        if image.port != 0 {
            try RestoreError.about(subject, "cannot be bound to port \(image.port)") { () throws(Errno) in
                try SocketCalls.bind(fd, Self.address(port: image.port, groups: 0))
            }
        }
        for (word, groups) in image.groups.enumerated() {
            for bit in 0..<32 where groups >> UInt32(bit) & 1 == 1 {
                let group = UInt32(word * 32 + bit + 1)
                try RestoreError.about(subject, "cannot join group \(group)") { () throws(Errno) in
                    let addMembership: Int32 = 1
                    try SocketCalls.set(fd, SocketOption.netlinkLevel, addMembership, group)
                }
            }
        }
        if image.state == 1, image.remoteGroup <= 32 {
            let mask = image.remoteGroup == 0 ? 0 : UInt32(1) << (image.remoteGroup - 1)
            try RestoreError.about(subject, "cannot be connected to port \(image.remotePort)") {
                () throws(Errno) in
                try SocketCalls.connect(fd, Self.address(port: image.remotePort, groups: mask))
            }
        }
        try setter.setAfterBind()
        try setter.setFlags(image.flags)
        return socket
    }

    /// struct sockaddr_nl
    private static func address(port: UInt32, groups: UInt32) -> [UInt8] {
        [UInt8(AF_NETLINK), 0, 0, 0] + SocketCalls.bytes(of: port) + SocketCalls.bytes(of: groups)
    }
}
