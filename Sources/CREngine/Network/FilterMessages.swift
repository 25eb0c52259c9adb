/// Messages of nftables, as far as rules are concerned; linux/netfilter/nf_tables.h. Numbers in them are big-endian.
enum FilterMessages {
    /// NFNL_SUBSYS_NFTABLES, in the upper half of a message's type.
    static let subsystem: UInt16 = 10
    static let newRule = subsystem << 8 | 6
    static let getRule = subsystem << 8 | 7
    /// `struct nfgenmsg`
    static let head = 4

    enum Rule {
        static let table: UInt16 = 1
        static let chain: UInt16 = 2
        static let handle: UInt16 = 3
        static let expressions: UInt16 = 4
        static let compatibility: UInt16 = 5
        static let position: UInt16 = 6
    }
    enum Compatibility {
        static let protocolNumber: UInt16 = 1
        static let flags: UInt16 = 2
        static let inverted: UInt32 = 2
    }

    /// All rules of the namespace, those of a chain in their order.
    static var allRules: NetlinkMessage { NetlinkMessage(type: getRule, body: [0, 0, 0, 0]) }
}

/// One step of a rule.
struct FilterExpression: Equatable, Sendable {
    let name: String
    let attributes: [NetlinkAttribute]

    init(_ element: NetlinkAttribute) {
        let parts = element.nested
        name = parts[type: 1]?.text ?? ""
        attributes = parts[type: 2]?.nested ?? []
    }

    func number(_ type: UInt16) -> UInt32? { attributes[type: type]?.number?.byteSwapped }

    /// A match or target that is iptables' own, which the kernel keeps as bytes.
    var isOfIPTables: Bool { name == "match" || name == "target" }

    /// Of a set that is only this rule's and goes with it: the kernel names such sets by number.
    var hasAnonymousSet: Bool {
        guard name == "lookup" || name == "dynset", let set = attributes[type: 1]?.text else { return false }
        return ["__set", "__map"].contains {
            set.hasPrefix($0) && set.dropFirst($0.count).allSatisfy(\.isNumber)
        }
    }
}

/// A rule of nftables as the kernel sends it.
struct FilterRule: Equatable, Sendable {
    let message: NetlinkMessage
    let family: UInt8
    let table: String
    let chain: String
    let handle: UInt64
    let expressions: [FilterExpression]

    /// Nil for what is no rule.
    init?(_ message: NetlinkMessage) {
        let attributes = message.attributes(after: FilterMessages.head)
        guard message.type == FilterMessages.newRule, let family = message.body.first,
            let table = attributes[type: FilterMessages.Rule.table]?.text,
            let chain = attributes[type: FilterMessages.Rule.chain]?.text,
            let handle = attributes[type: FilterMessages.Rule.handle]?.value, handle.count == 8
        else { return nil }
        self.message = message
        self.family = family
        self.table = table
        self.chain = chain
        self.handle = handle.reduce(0) { $0 << 8 | UInt64($1) }
        expressions = (attributes[type: FilterMessages.Rule.expressions]?.nested ?? []).map {
            FilterExpression($0)
        }
    }

    /// nft's words for the families, as `table ip filter` has them.
    var familyName: String {
        switch family {
        case 1: "inet"
        case 2: "ip"
        case 3: "arp"
        case 5: "netdev"
        case 7: "bridge"
        case 10: "ip6"
        default: "family \(family)"
        }
    }

    var hasPartsOfIPTables: Bool { expressions.contains(where: \.isOfIPTables) }

    /// `match string of table ip filter, chain INPUT`
    var name: String {
        let part = expressions.first(where: \.isOfIPTables)
        let what = part.map { "\($0.name) \($0.attributes[type: 1]?.text ?? "")" } ?? "rule"
        return "\(what) in chain \(chain) of table \(familyName) \(table)"
    }

    /// The request that makes it again: before the rule of a handle, or as the last one.
    func request(before handle: UInt64?) -> NetlinkMessage {
        var attributes = message.attributes(after: FilterMessages.head).filter {
            ![
                FilterMessages.Rule.handle, FilterMessages.Rule.position, FilterMessages.Rule.compatibility,
            ].contains($0.type)
        }
        if let (number, isInverted) = protocolNumber {
            attributes.append(
                NetlinkAttribute(
                    FilterMessages.Rule.compatibility,
                    nesting: [
                        NetlinkAttribute(
                            FilterMessages.Compatibility.protocolNumber, UInt32(number).byteSwapped),
                        NetlinkAttribute(
                            FilterMessages.Compatibility.flags,
                            (isInverted ? FilterMessages.Compatibility.inverted : 0).byteSwapped),
                    ]))
        }
        var flags = NetlinkConnection.Flag.create
        if let handle {
            attributes.append(
                NetlinkAttribute(
                    FilterMessages.Rule.position, SockDiag.bytes(handle.byteSwapped)))
        } else {
            flags |= NetlinkConnection.Flag.append
        }
        return NetlinkMessage(
            type: FilterMessages.newRule, flags: flags,
            body: Array(message.body.prefix(FilterMessages.head)) + attributes.flatMap(\.bytes))
    }

    /// What `iptables -p` said, and whether it was `! -p`. Matches as icmp's are refused without it, and the kernel does not
    /// tell it of a rule: it is read from the comparison that iptables makes of it (iptables/nft.c, add_compat).
    var protocolNumber: (UInt16, Bool)? {
        for (load, test) in zip(expressions, expressions.dropFirst())
        where test.name == "cmp" && load.number(1) == test.number(1) {
            let loaded: Bool
            switch load.name {
            case "meta":
                // NFT_META_PROTOCOL of a frame, NFT_META_L4PROTO of a packet.
                loaded = load.number(2) == (family == 7 ? 1 : 16)
            case "payload":
                let place = [load.number(2), load.number(3), load.number(4)]
                loaded =
                    switch family {
                    case 2: place == [1, 9, 1]
                    case 10: place == [1, 6, 1]
                    case 7: place == [0, 12, 2]
                    default: false
                    }
            default: loaded = false
            }
            let value = test.attributes[type: 3]?.nested[type: 1]?.value ?? []
            guard loaded, let operation = test.number(2), operation < 2, (1...2).contains(value.count) else {
                continue
            }
            // The number of a bridge's frames is handed over in the order that it has in a frame.
            let number = value.reversed().reduce(0 as UInt16) { $0 << 8 | UInt16($1) }
            return (number, operation == 1)
        }
        return nil
    }
}
