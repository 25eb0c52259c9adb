/// One message of netlink(7): what its header tells, and the bytes behind it.
package struct NetlinkMessage: Equatable, Sendable {
    static let headerSize = 16

    package var type: UInt16
    package var flags: UInt16 = 0
    /// The header of its family, as `struct ifinfomsg`, and attributes; padded to 4 bytes.
    package var body: [UInt8]

    package init(type: UInt16, flags: UInt16 = 0, body: [UInt8]) {
        self.type = type
        self.flags = flags
        self.body = body
    }

    /// As it goes to the kernel, and as iproute2 keeps it in files.
    func bytes(flags: UInt16? = nil, sequence: UInt32 = 0) -> [UInt8] {
        let header = SockDiag.bytes(
            UInt32(Self.headerSize + body.count), type, flags ?? self.flags, sequence, UInt32(0))
        return header + body + [UInt8](repeating: 0, count: -body.count & 3)
    }

    /// The messages of a file or an answer. Throws nothing: nil where the bytes are no row of messages.
    static func list(_ bytes: ArraySlice<UInt8>) -> [NetlinkMessage]? {
        var rest = bytes
        var found: [NetlinkMessage] = []
        while !rest.isEmpty {
            guard rest.count >= headerSize else { return nil }
            let length = Int(rest.word(0))
            guard length >= headerSize, length <= rest.count else { return nil }
            found.append(
                NetlinkMessage(
                    type: UInt16(truncatingIfNeeded: rest.word(4)),
                    flags: UInt16(truncatingIfNeeded: rest.word(4) >> 16),
                    body: Array(rest.prefix(length).dropFirst(headerSize))))
            rest = rest.dropFirst((length + 3) & ~3)
        }
        return found
    }

    /// The attributes behind a family's header of `skip` bytes.
    func attributes(after skip: Int) -> [NetlinkAttribute] { NetlinkAttribute.list(body.dropFirst(skip)) }

    func word(_ offset: Int) -> UInt32 { offset + 4 <= body.count ? body[...].word(offset) : 0 }
    func byte(_ offset: Int) -> UInt8 { offset < body.count ? body[offset] : 0 }
}

/// One attribute of a message.
struct NetlinkAttribute: Equatable, Sendable {
    /// Set in the type of an attribute that holds attributes.
    static let nested: UInt16 = 0x8000
    private static let typeMask: UInt16 = 0x3fff

    /// With the bits that tell how its value is to be read.
    var rawType: UInt16
    var value: [UInt8]

    init(_ type: UInt16, _ value: [UInt8]) {
        rawType = type
        self.value = value
    }
    init(_ type: UInt16, _ value: UInt32) { self.init(type, SockDiag.bytes(value)) }
    init(_ type: UInt16, _ value: Int32) { self.init(type, SockDiag.bytes(value)) }
    /// With the zero byte at its end.
    init(_ type: UInt16, _ text: String) { self.init(type, Array(text.utf8) + [0]) }
    init(_ type: UInt16, nesting attributes: [NetlinkAttribute]) {
        self.init(type | Self.nested, attributes.flatMap(\.bytes))
    }

    var type: UInt16 { rawType & Self.typeMask }

    var bytes: [UInt8] {
        SockDiag.bytes(UInt16(4 + value.count), rawType) + value
            + [UInt8](repeating: 0, count: -value.count & 3)
    }

    var number: UInt32? { value.count >= 4 ? value[...].word(0) : nil }
    var text: String { String(decoding: value.prefix { $0 != 0 }, as: UTF8.self) }
    var nested: [NetlinkAttribute] { Self.list(value[...]) }

    /// Ends at what is no attribute.
    static func list(_ bytes: ArraySlice<UInt8>) -> [NetlinkAttribute] {
        var rest = bytes
        var found: [NetlinkAttribute] = []
        while rest.count >= 4 {
            let length = Int(rest.word(0) & 0xffff)
            if length < 4 || length > rest.count { break }
            found.append(
                NetlinkAttribute(UInt16(rest.word(0) >> 16), Array(rest.prefix(length).dropFirst(4))))
            rest = rest.dropFirst((length + 3) & ~3)
        }
        return found
    }
}

extension [NetlinkAttribute] {
    /// The first of a type.
    subscript(type type: UInt16) -> NetlinkAttribute? { first { $0.type == type } }
}
