import CPlatform
import Glibc

extension SockDiag {
    /// What inet_diag knows a family of sockets by: numbers of IPPROTO_*.
    private static func protocols(_ family: SocketFacts.Family) -> [UInt8] {
        switch family {
        case .tcp: [6]
        case .udp: [17, 136]
        case .raw: [255]
        case .unix, .ping, .packet, .netlink, .other: []
        }
    }

    /// All sockets of a family over IPv4 and IPv6. A kernel without the module for one of them throws ENOENT.
    package static func internetSockets(_ family: SocketFacts.Family) throws(Errno) -> [SocketFacts] {
        var all: [SocketFacts] = []
        for domain in [UInt8(AF_INET), UInt8(AF_INET6)] {
            for number in protocols(family) { all += try sockets(family, domain, number) }
        }
        return all
    }

    private static func sockets(
        _ family: SocketFacts.Family, _ domain: UInt8, _ number: UInt8
    ) throws(Errno) -> [SocketFacts] {
        // INET_DIAG_SHUTDOWN, and INET_DIAG_INFO, with which come what a layer above and signatures tell.
        let extensions: UInt8 = 1 << 7 | 1 << 1
        var request = Self.bytes(domain, number, extensions, UInt8(0))
        request += Self.bytes(UInt32.max) + [UInt8](repeating: 0, count: 48)
        return try dump(request) { message in
            guard message.count >= 72 else { return nil }
            let name = [6: "TCP", 17: "UDP", 136: "UDP-Lite"][number] ?? "RAW"
            var socket = SocketFacts(
                inode: UInt64(message.word(68)), family: family,
                protocolName: name + (domain == UInt8(AF_INET6) ? "v6" : ""))
            socket.type = family == .tcp ? 1 : family == .udp ? 2 : 3
            socket.state = SocketFacts.State(rawValue: message.byte(1))
            let length = domain == UInt8(AF_INET) ? 4 : 16
            socket.localPort = message.port(4)
            socket.remotePort = message.port(6)
            socket.localAddress = message.part(8, length)
            socket.remoteAddress = message.part(24, length)
            socket.local = endpoint(socket.localAddress, socket.localPort)
            socket.remote = endpoint(socket.remoteAddress, socket.remotePort)
            socket.unread = message.word(56)
            socket.unsent = message.word(60)
            attributes(message.dropFirst(72)) { type, value in
                switch type {
                case 8 where value.count >= 1: socket.shutdown = value.byte(0)
                case 18: socket.hasSignatures = true
                case 19: attributes(value) { if $0 == 1 { socket.upperLayer = text($1) } }
                default: break
                }
            }
            return socket
        }
    }

    private static func text(_ value: Message) -> String {
        String(decoding: value.prefix { $0 != 0 }, as: UTF8.self)
    }
}
