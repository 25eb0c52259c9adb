import CPlatform
import Glibc

/// State and options of one socket of AF_INET or AF_INET6, read through a duplicate of its descriptor.
struct InetSocketReader {
    let fd: Int32
    /// What sock_diag(7) told: the backlog and which halves are shut down.
    let facts: SocketFacts?

    /// Nil where the socket is of another family.
    func read(inode: UInt64, flags: UInt32, owner: OwnerImage) throws(Errno) -> InetSocketImage? {
        func number(_ level: Int32, _ name: Int32) throws(Errno) -> UInt32 {
            try SocketCalls.number(fd, level, name)
        }
        let family = try number(SocketOption.socketLevel, SocketOption.domain)
        guard family == UInt32(AF_INET) || family == UInt32(AF_INET6) else { return nil }
        let proto = try number(SocketOption.socketLevel, SocketOption.proto)
        let type = try number(SocketOption.socketLevel, SocketOption.type)
        var image = InetSocketImage(
            inode: UInt32(truncatingIfNeeded: inode), family: family, type: type, proto: proto)
        image.flags = flags
        image.owner = owner
        image.options = try SocketOptionsReader.read(fd, credentials: false)
        try readAddresses(&image)
        if family == UInt32(AF_INET6) {
            image.onlyIPv6 = try number(SocketOption.ipv6Level, SocketOption.onlyIPv6) != 0
        }
        image.ip = try ipOptions(type: type)
        if type == 1 {
            image.tcp = try tcpOptions()
            let info = try SocketCalls.option(fd, SocketOption.tcpLevel, TCPOption.info, size: 104)
            image.state = UInt32(info[0])
            // tcpi_sacked of a listener is its backlog.
            if image.listens { image.backlog = TCPOption.word(info, 28) }
        } else {
            image.state = image.remote.isEmpty ? 7 : 1
        }
        if let shutdown = facts?.shutdown, shutdown != 0 { image.shutdown = UInt32(shutdown) }
        return image
    }

    private func readAddresses(_ image: inout InetSocketImage) throws(Errno) {
        let own = try SocketCalls.localAddress(fd)
        if let local = InetEndpoint(socketAddress: own) { image.local = local }
        do throws(Errno) {
            let far = try SocketCalls.remoteAddress(fd)
            if let remote = InetEndpoint(socketAddress: far) { image.remote = remote }
        } catch {
            if error.rawValue != ENOTCONN { throw error }
            // A raw socket has no port, without which getpeername(2) says that there is no peer.
            if image.type == 3, let facts, facts.state == .established {
                image.remote.address = facts.remoteAddress
            }
        }
        let scope = InetEndpoint.scope(ofSocketAddress: own)
        if scope != 0 {
            var name = [CChar](repeating: 0, count: 16)
            guard if_indextoname(scope, &name) != nil else { throw Errno(rawValue: errno) }
            image.interface = String(
                decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
    }

    private func ipOptions(type: UInt32) throws(Errno) -> IPOptionsImage {
        func number(_ name: Int32) throws(Errno) -> UInt32 {
            try SocketCalls.number(fd, SocketOption.ipLevel, name)
        }
        var ip = IPOptionsImage()
        // Level IP is for raw sockets of IPv4 alone; other sockets of IPv6 have it.
        do throws(Errno) {
            if try number(IPOption.freeBind) != 0 { ip.freeBind = true }
            if try number(IPOption.packetInfo) != 0 { ip.packetInfo = true }
            ip.tos = try number(IPOption.tos)
            ip.ttl = try number(IPOption.ttl)
        } catch {
            if error.rawValue == ENOPROTOOPT { return IPOptionsImage() }
            throw error
        }
        if type == 3 {
            if try number(IPOption.includeHeader) != 0 { ip.includesHeader = true }
            if try number(IPOption.noDefragment) != 0 { ip.defragmentsNot = true }
            if let filter = try? SocketCalls.number(fd, SocketOption.rawLevel, 1), filter != 0 {
                ip.icmpFilter = [filter]
            }
        }
        return ip
    }

    private func tcpOptions() throws(Errno) -> TCPOptionsImage {
        func number(_ name: Int32) throws(Errno) -> UInt32 {
            try SocketCalls.number(fd, SocketOption.tcpLevel, name)
        }
        var tcp = TCPOptionsImage()
        if try number(TCPOption.cork) != 0 { tcp.cork = true }
        if try number(TCPOption.noDelay) != 0 { tcp.noDelay = true }
        tcp.keepIdle = try number(TCPOption.keepIdle)
        tcp.keepInterval = try number(TCPOption.keepInterval)
        tcp.keepCount = try number(TCPOption.keepCount)
        return tcp
    }
}

/// Numbers of ip(7).
enum IPOption {
    static let tos: Int32 = 1
    static let ttl: Int32 = 2
    static let includeHeader: Int32 = 3
    static let options: Int32 = 4
    static let packetInfo: Int32 = 8
    static let freeBind: Int32 = 15
    static let noDefragment: Int32 = 22
}

/// Numbers of tcp(7).
enum TCPOption {
    static let noDelay: Int32 = 1
    static let maximumSegment: Int32 = 2
    static let cork: Int32 = 3
    static let keepIdle: Int32 = 4
    static let keepInterval: Int32 = 5
    static let keepCount: Int32 = 6
    static let info: Int32 = 11
    static let repair: Int32 = 19
    static let repairQueue: Int32 = 20
    static let queueSequence: Int32 = 21
    static let repairOptions: Int32 = 22
    static let timestamp: Int32 = 24
    static let repairWindow: Int32 = 29

    /// A word of a kernel structure.
    static func word(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
        guard bytes.count >= offset + 4 else { return 0 }
        return (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << UInt32(8 * $1) }
    }
}
