import CPlatform
import Glibc

/// Multicast groups of this host, and which of them one socket has joined.
///
/// No call lists the groups of a socket; but MCAST_MSFILTER tells of one group whether the socket is in it, and /proc
/// lists the groups that anybody is in.
enum MulticastGroups {
    struct Group: Equatable, Sendable {
        var interface: UInt32
        var name: String
        /// 4 or 16 bytes in network order.
        var address: [UInt8]
    }

    private static let sourceFilter: Int32 = 48
    private static let join: Int32 = 42
    private static let exclude: UInt32 = 0
    private static let addressSize = 128
    private static let headSize = 144
    private static let mostSources = 64

    /// Groups of the calling thread's network namespace; of an address family that the kernel lacks, none.
    static func ofHost() throws(Errno) -> [Group] {
        igmp(try lines("/proc/thread-self/net/igmp")) + igmp6(try lines("/proc/thread-self/net/igmp6"))
    }

    private static func lines(_ path: String) throws(Errno) -> [[Substring]] {
        let bytes: [UInt8]
        do throws(Errno) {
            bytes = try OwnedFD.open(path, O_RDONLY).readToEnd()
        } catch {
            if error == .noEntry { return [] }
            throw error
        }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map {
            $0.split(whereSeparator: { $0 == " " || $0 == "\t" })
        }
    }

    /// A line of an interface begins with its index; lines of its groups follow, `010000E0 1 0:00000000 0`.
    static func igmp(_ lines: [[Substring]]) -> [Group] {
        var groups: [Group] = []
        var interface: (index: UInt32, name: String)?
        for words in lines.dropFirst() {
            if words.count > 2, let index = UInt32(words[0]), words.contains(":") || words[1].hasSuffix(":") {
                interface = (index, String(words[1].prefix { $0 != ":" }))
            } else if let interface, let first = words.first, let number = UInt32(first, radix: 16) {
                groups.append(
                    Group(
                        interface: interface.index, name: interface.name,
                        address: SocketCalls.bytes(of: number)))
            }
        }
        return groups
    }

    /// `1 lo ff020000000000000000000000000001 1 0000000C 0`
    static func igmp6(_ lines: [[Substring]]) -> [Group] {
        lines.compactMap { words in
            guard words.count >= 3, let index = UInt32(words[0]), words[2].utf8.count == 32 else {
                return nil
            }
            let digits = Array(words[2])
            let bytes = stride(from: 0, to: 32, by: 2).compactMap {
                UInt8(String(digits[$0...$0 + 1]), radix: 16)
            }
            guard bytes.count == 16 else { return nil }
            return Group(interface: index, name: String(words[1]), address: bytes)
        }
    }

    /// Nil where the socket has not joined the group.
    static func membership(_ fd: Int32, _ group: Group) throws(Errno) -> SocketExtras.Membership? {
        var request = [UInt8](repeating: 0, count: headSize + addressSize * mostSources)
        request.replaceSubrange(0..<4, with: SocketCalls.bytes(of: group.interface))
        let address = InetEndpoint(address: group.address, port: 0).socketAddress()
        request.replaceSubrange(8..<8 + address.count, with: address)
        request.replaceSubrange(140..<144, with: SocketCalls.bytes(of: UInt32(mostSources)))
        var length = UInt32(request.count)
        do throws(Errno) {
            try request.withUnsafeMutableBufferPointer { (buffer) throws(Errno) -> Void in
                try withUnsafeMutablePointer(to: &length) { (length) throws(Errno) -> Void in
                    try systemCall(
                        CP_SYS_getsockopt, Int(fd), Int(level(group.address)), Int(sourceFilter),
                        Int(bitPattern: buffer.baseAddress), Int(bitPattern: length))
                }
            }
        } catch {
            // EADDRNOTAVAIL is the answer for a group that was not joined.
            if [EADDRNOTAVAIL, EINVAL, ENODEV, ENOPROTOOPT].contains(error.rawValue) { return nil }
            throw error
        }
        func word(_ offset: Int) -> UInt32 {
            (0..<4).reduce(0) { $0 | UInt32(request[offset + $1]) << UInt32(8 * $1) }
        }
        let count = min(Int(word(140)), mostSources)
        let sources = (0..<count).compactMap { index in
            let start = headSize + index * addressSize
            return InetEndpoint(socketAddress: Array(request[start..<start + 28]))?.address
        }
        return SocketExtras.Membership(
            interface: group.name, group: group.address, mode: word(136), sources: sources)
    }

    /// Joins a group as it was joined.
    static func restore(_ fd: Int32, _ membership: SocketExtras.Membership) throws(Errno) {
        let interface = if_nametoindex(membership.interface)
        if interface == 0 { throw Errno(rawValue: ENODEV) }
        var head = SocketCalls.bytes(of: interface) + [0, 0, 0, 0]
        head += padded(membership.group)
        try SocketCalls.set(fd, level(membership.group), join, head)
        if membership.mode == exclude && membership.sources.isEmpty { return }
        head += SocketCalls.bytes(of: membership.mode)
        head += SocketCalls.bytes(of: UInt32(membership.sources.count))
        for source in membership.sources { head += padded(source) }
        try SocketCalls.set(fd, level(membership.group), sourceFilter, head)
    }

    private static func padded(_ address: [UInt8]) -> [UInt8] {
        let bytes = InetEndpoint(address: address, port: 0).socketAddress()
        return bytes + [UInt8](repeating: 0, count: addressSize - bytes.count)
    }

    private static func level(_ address: [UInt8]) -> Int32 {
        address.count == 4 ? SocketOption.ipLevel : SocketOption.ipv6Level
    }
}
