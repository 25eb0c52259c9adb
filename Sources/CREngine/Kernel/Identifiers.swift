/// A process id (thread group id) as our own pid namespace shows it.
package struct PID: RawRepresentable, Hashable, Comparable, Sendable, Codable, CustomStringConvertible {
    package let rawValue: Int32
    package init(rawValue: Int32) { self.rawValue = rawValue }
    package init(_ value: Int32) { self.rawValue = value }
    package static func < (a: PID, b: PID) -> Bool { a.rawValue < b.rawValue }
    package var description: String { "\(rawValue)" }
    /// The thread that leads the group.
    package var leader: TID { TID(rawValue) }
}

/// A thread id as our own pid namespace shows it.
package struct TID: RawRepresentable, Hashable, Comparable, Sendable, Codable, CustomStringConvertible {
    package let rawValue: Int32
    package init(rawValue: Int32) { self.rawValue = rawValue }
    package init(_ value: Int32) { self.rawValue = value }
    package static func < (a: TID, b: TID) -> Bool { a.rawValue < b.rawValue }
    package var description: String { "\(rawValue)" }
}

/// An address in another task, which cannot be mixed up with one of ours.
package struct RemoteAddress: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
    package let rawValue: UInt64
    package init(rawValue: UInt64) { self.rawValue = rawValue }
    package init(_ value: UInt64) { self.rawValue = value }
    package static func < (a: RemoteAddress, b: RemoteAddress) -> Bool { a.rawValue < b.rawValue }
    package static func + (a: RemoteAddress, bytes: Int) -> RemoteAddress {
        RemoteAddress(a.rawValue &+ UInt64(bitPattern: Int64(bytes)))
    }
    package var description: String { "0x" + String(rawValue, radix: 16) }
}

/// Bytes in a page of x86-64.
package let pageSize = 4096
