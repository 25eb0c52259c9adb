/// An amount of memory or storage.
package struct ByteCount: Sendable, Hashable, Comparable, Codable, CustomStringConvertible {
    package var bytes: UInt64

    package init(_ bytes: UInt64) {
        self.bytes = bytes
    }

    package static func < (left: ByteCount, right: ByteCount) -> Bool { left.bytes < right.bytes }

    /// In the largest binary unit that divides it, as a policy writes it: `1MiB`, `0`.
    package var description: String {
        if bytes == 0 { return "0" }
        for (unit, shift) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] where bytes.trailingZeroBitCount >= shift
        {
            return "\(bytes >> UInt64(shift))\(unit)"
        }
        return "\(bytes)B"
    }
}
