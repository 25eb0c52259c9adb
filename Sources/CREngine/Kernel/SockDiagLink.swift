import CPlatform
import Glibc

extension SockDiag {
    /// All sockets of AF_PACKET. A kernel without packet_diag throws ENOENT.
    package static func packetSockets() throws(Errno) -> [SocketFacts] {
        // struct packet_diag_req; PACKET_SHOW_INFO, MCLIST, RING_CFG, FANOUT
        let request = bytes(UInt8(AF_PACKET), UInt8(0), UInt16(0)) + bytes(UInt32(0), UInt32(0xf))
        return try dump(request + bytes(UInt32(0), UInt32(0))) { message in
            guard message.count >= 16 else { return nil }
            var socket = SocketFacts(
                inode: UInt64(message.word(4)), family: .packet, protocolName: "PACKET")
            socket.type = UInt32(message.byte(1))
            var facts = PacketFacts()
            attributes(message.dropFirst(16)) { type, value in
                switch type {
                case 0 where value.count >= 16: facts.copyThreshold = value.word(12)
                case 1: facts.memberships = memberships(value)
                case 2, 3: facts.hasRing = true
                case 4: facts.hasFanout = true
                default: break
                }
            }
            socket.packet = facts
            return socket
        }
    }

    /// All sockets of AF_NETLINK. A kernel without netlink_diag throws ENOENT.
    package static func netlinkSockets() throws(Errno) -> [SocketFacts] {
        // struct netlink_diag_req; NDIAG_PROTO_ALL, NDIAG_SHOW_MEMINFO
        let request = bytes(UInt8(AF_NETLINK), UInt8(255), UInt16(0)) + bytes(UInt32(0), UInt32(1))
        return try dump(request + bytes(UInt32(0), UInt32(0))) { message in
            guard message.count >= 28 else { return nil }
            var socket = SocketFacts(
                inode: UInt64(message.word(16)), family: .netlink, protocolName: "NETLINK")
            socket.type = UInt32(message.byte(1))
            attributes(message.dropFirst(28)) { type, value in
                // SK_MEMINFO_RMEM_ALLOC
                if type == 0, value.count >= 4 { socket.unread = value.word(0) }
            }
            return socket
        }
    }

    /// struct packet_diag_mclist, 44 bytes each.
    private static func memberships(_ value: Message) -> [PacketSocketImage.Membership] {
        var found: [PacketSocketImage.Membership] = []
        var rest = value
        while rest.count >= 44 {
            let type = rest.word(8) & 0xffff
            let length = min(Int(rest.word(8) >> 16), 32)
            found.append(
                .init(interface: rest.word(0), type: type, address: rest.part(12, length)))
            rest = rest.dropFirst(44)
        }
        return found
    }
}
