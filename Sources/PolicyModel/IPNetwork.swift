internal import Glibc

/// A range of IPv4 or IPv6 addresses with a common prefix.
package struct IPNetwork: Sendable, Equatable, Codable, CustomStringConvertible {
    /// 4 or 16 bytes in network order.
    package let address: [UInt8]
    /// Bits that count.
    package let prefixLength: Int

    /// Reads `10.0.0.0/8`, `::1` or `203.0.113.9`; nil for anything else, and where bits are set past the prefix.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count <= 2, let bytes = IPNetwork.parse(String(parts[0])) else { return nil }
        var length = bytes.count * 8
        if parts.count == 2 {
            guard parts[1].utf8.allSatisfy({ (48...57).contains($0) }), let given = Int(parts[1]),
                given <= length
            else { return nil }
            length = given
        }
        for bit in length..<bytes.count * 8 where bytes[bit / 8] & (0x80 >> UInt8(bit % 8)) != 0 {
            return nil
        }
        address = bytes
        prefixLength = length
    }

    /// One address, 4 or 16 bytes in network order; one that comes mapped into IPv6 is taken as IPv4. Nil for another size.
    package init?(bytes: [UInt8]) {
        let isMapped = bytes.count == 16 && bytes[..<12] == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255]
        address = isMapped ? Array(bytes[12...]) : bytes
        prefixLength = address.count * 8
        if address.count != 4 && address.count != 16 { return nil }
    }

    /// Whether an address, 4 or 16 bytes in network order, is in the range. An IPv4 address that comes mapped into
    /// IPv6 (`::ffff:10.0.0.1`) is taken as IPv4.
    package func contains(_ other: [UInt8]) -> Bool {
        var other = other
        if address.count == 4, other.count == 16, other[..<10].allSatisfy({ $0 == 0 }), other[10] == 255,
            other[11] == 255
        {
            other.removeFirst(12)
        }
        guard other.count == address.count else { return false }
        let whole = prefixLength / 8
        guard other[..<whole] == address[..<whole] else { return false }
        let rest = prefixLength % 8
        return rest == 0 || (other[whole] ^ address[whole]) >> UInt8(8 - rest) == 0
    }

    package var description: String {
        var text = [CChar](repeating: 0, count: 64)
        let family = address.count == 4 ? AF_INET : AF_INET6
        _ = inet_ntop(family, address, &text, socklen_t(text.count))
        let name = String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        return prefixLength == address.count * 8 ? name : "\(name)/\(prefixLength)"
    }

    private static func parse(_ text: String) -> [UInt8]? {
        for (family, count) in [(AF_INET, 4), (AF_INET6, 16)] {
            var bytes = [UInt8](repeating: 0, count: count)
            if inet_pton(family, text, &bytes) == 1 { return bytes }
        }
        return nil
    }
}

/// Some TCP ports.
package struct PortSet: Sendable, Equatable, Codable {
    package var ranges: [ClosedRange<UInt16>]

    package init(_ ranges: [ClosedRange<UInt16>]) {
        self.ranges = ranges
    }

    package func contains(_ port: UInt16) -> Bool {
        ranges.contains { $0.contains(port) }
    }
}
