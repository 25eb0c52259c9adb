/// Numbers of rtnetlink(7), and requests that are made of them.
enum RouteNetlink {
    static let newLink: UInt16 = 16
    static let getLink: UInt16 = 18
    static let setLink: UInt16 = 19
    static let newAddress: UInt16 = 20
    static let deleteAddress: UInt16 = 21
    static let getAddress: UInt16 = 22
    static let newRoute: UInt16 = 24
    static let deleteRoute: UInt16 = 25
    static let getRoute: UInt16 = 26
    static let newNeighbour: UInt16 = 28
    static let getNeighbour: UInt16 = 30
    static let newRule: UInt16 = 32
    static let deleteRule: UInt16 = 33
    static let getRule: UInt16 = 34
    static let getQueueing: UInt16 = 38
    static let newNamespaceNumber: UInt16 = 88
    static let getNamespaceNumber: UInt16 = 90
    static let getNextHop: UInt16 = 106

    enum Family {
        static let unspecified: UInt8 = 0
        static let four: UInt8 = 2
        static let bridge: UInt8 = 7
        static let six: UInt8 = 10
    }

    /// Sizes of the headers of families.
    enum Head {
        static let link = 16
        static let address = 8
        static let route = 12
        static let rule = 12
        static let neighbour = 12
        static let queueing = 20
        static let namespaceNumber = 4
        static let nextHop = 8
    }

    /// A request for all rows: a header that is zero but for its family.
    static func all(_ type: UInt16, _ family: UInt8, head: Int) -> NetlinkMessage {
        var body = [UInt8](repeating: 0, count: head)
        body[0] = family
        return NetlinkMessage(type: type, body: body)
    }

    /// `struct ifinfomsg`, and attributes. `change` says which bits of `flags` count.
    static func link(
        _ type: UInt16, index: UInt32, flags: UInt32 = 0, change: UInt32 = 0, family: UInt8 = 0,
        _ attributes: [NetlinkAttribute]
    ) -> NetlinkMessage {
        let head =
            SockDiag.bytes(family, UInt8(0), UInt16(0)) + SockDiag.bytes(Int32(bitPattern: index))
            + SockDiag.bytes(flags, change)
        return NetlinkMessage(type: type, body: head + attributes.flatMap(\.bytes))
    }

    /// The number that the namespace of a connection has for another; nil where it has none.
    static func namespaceNumber(
        of descriptor: Int32, _ connection: inout NetlinkConnection
    ) throws(NetlinkConnection.Refusal) -> Int32? {
        let answer = try connection.ask(
            NetlinkMessage(
                type: getNamespaceNumber,
                body: [0, 0, 0, 0] + NetlinkAttribute(NamespaceAttribute.descriptor, descriptor).bytes))
        let number = answer?.attributes(after: Head.namespaceNumber)[type: NamespaceAttribute.number]?.number
        return number.map { Int32(bitPattern: $0) }.flatMap { $0 < 0 ? nil : $0 }
    }

    enum NamespaceAttribute {
        static let number: UInt16 = 1
        static let descriptor: UInt16 = 3
    }
}
