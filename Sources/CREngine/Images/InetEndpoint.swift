import Glibc

/// An address of IPv4 or IPv6 with a port.
package struct InetEndpoint: Hashable, Sendable, Codable {
    /// 4 or 16 bytes in network order.
    package var address: [UInt8]
    package var port: UInt16

    package init(address: [UInt8], port: UInt16) {
        self.address = address
        self.port = port
    }

    /// Neither an address nor a port.
    package var isEmpty: Bool { port == 0 && !hasAddress }
    package var hasAddress: Bool { address.contains { $0 != 0 } }

    /// fe80::/10, which means something only together with an interface.
    package var isLinkLocal: Bool {
        address.count == 16 && address[0] == 0xfe && address[1] & 0xc0 == 0x80
            || address.count == 16 && address[0] == 0xff && address[1] & 0xf == 2
    }

    /// The IPv4 address inside of ::ffff:0:0/96; itself where there is none.
    package var unmapped: InetEndpoint {
        let prefix: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]
        guard address.count == 16, Array(address[0..<12]) == prefix else { return self }
        return InetEndpoint(address: Array(address[12...]), port: port)
    }

    /// The address without a port or brackets.
    package var host: String {
        let text = SockDiag.endpoint(address, 0).dropLast(2)
        return String(text.drop { $0 == "[" }.prefix { $0 != "]" })
    }

    /// From the text of an address without brackets; nil where it is none.
    init?(host: String, port: UInt16) {
        let isLong = host.contains(":")
        var bytes = [UInt8](repeating: 0, count: isLong ? 16 : 4)
        guard inet_pton(isLong ? AF_INET6 : AF_INET, host, &bytes) == 1 else { return nil }
        self.init(address: bytes, port: port)
    }

    /// From what `description` gives: `10.0.0.1:80`, `[::1]:80`.
    package init?(_ text: some StringProtocol) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            return nil
        }
        self.init(host: String(text[..<colon].drop { $0 == "[" }.prefix { $0 != "]" }), port: port)
    }

    /// `struct sockaddr_in` or `sockaddr_in6`; `scope` is the index of an interface.
    func socketAddress(scope: UInt32 = 0) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: address.count == 4 ? 16 : 28)
        bytes[0] = address.count == 4 ? 2 : 10
        bytes[2] = UInt8(port >> 8)
        bytes[3] = UInt8(port & 0xff)
        if address.count == 4 {
            bytes.replaceSubrange(4..<8, with: address)
        } else {
            bytes.replaceSubrange(8..<24, with: address)
            for place in 0..<4 { bytes[24 + place] = UInt8(truncatingIfNeeded: scope >> UInt32(8 * place)) }
        }
        return bytes
    }

    /// Reads a `struct sockaddr_in` or `sockaddr_in6`; nil for one of another family.
    init?(socketAddress bytes: [UInt8]) {
        guard bytes.count >= 16, bytes[0] == 2 || bytes[0] == 10 && bytes.count >= 24 else { return nil }
        address = bytes[0] == 2 ? Array(bytes[4..<8]) : Array(bytes[8..<24])
        port = UInt16(bytes[2]) << 8 | UInt16(bytes[3])
    }

    /// The interface of a `struct sockaddr_in6`; 0 for none.
    static func scope(ofSocketAddress bytes: [UInt8]) -> UInt32 {
        guard bytes.count >= 28, bytes[0] == 10 else { return 0 }
        return (0..<4).reduce(0) { $0 | UInt32(bytes[24 + $1]) << UInt32(8 * $1) }
    }
}

extension InetEndpoint: CustomStringConvertible {
    /// `10.0.0.1:80`, `[::1]:80`.
    package var description: String { SockDiag.endpoint(address, port) }
}
