import CPlatform
import Glibc

/// Makes the links of an image in a new namespace. Runs inside it; one at a time.
struct LinkBuilder: ~Copyable {
    private typealias Attribute = NetworkLink.Attribute

    private let messages: LinkMessages
    let outside: NetworkOutside
    /// Our own namespace, by a descriptor.
    let home: Int32
    /// Other namespaces of the tree, by their number in the images.
    let others: [UInt32: NetworkOutside.OtherNamespace]
    var connection: NetlinkConnection
    private var image: NetworkNamespaceImage { messages.image }
    /// The outer ends that have been made.
    private(set) var ends: [NetworkOutside.OuterEnd] = []

    init(
        _ image: NetworkNamespaceImage, _ outside: NetworkOutside, home: Int32,
        others: [UInt32: NetworkOutside.OtherNamespace], connection: consuming NetlinkConnection
    ) {
        messages = LinkMessages(image: image)
        self.outside = outside
        self.home = home
        self.others = others
        self.connection = connection
    }

    /// All of them, still down.
    mutating func makeAll() throws(NetworkError) {
        for link in image.links where lowerInside(link) == nil { try make(link) }
        // Those that stand on others, which stand on others in turn.
        var rest = image.links.filter { lowerInside($0) != nil }
        var present = Set(image.links.filter { lowerInside($0) == nil }.map(\.index))
        while !rest.isEmpty {
            let ready = rest.filter { present.contains(lowerInside($0) ?? 0) }
            guard !ready.isEmpty else {
                throw NetworkError(rest[0].subject, "stands on a link that the image has not")
            }
            for link in ready { try make(link) }
            present.formUnion(ready.map(\.index))
            rest.removeAll { link in ready.contains { $0.index == link.index } }
        }
        for link in image.links { try setAfterwards(link) }
    }

    /// The link of this namespace that a link is made upon; that of a pair is none.
    private func lowerInside(_ link: NetworkLinkImage) -> UInt32? {
        if link.kind == .macvlan, let lower = link.peerIndex, lower != link.index,
            link.peerNamespace == outside.namespace, outside.lowerLinks[link.name] == nil
        {
            return lower
        }
        return messages.lower(link)?.number
    }

    private func details(_ link: NetworkLinkImage) -> [NetlinkAttribute] { messages.details(link) }

    private mutating func make(_ link: NetworkLinkImage) throws(NetworkError) {
        switch link.kind {
        case .loopback:
            guard link.index == 1 else {
                throw NetworkError(link.subject, "is a loopback of another number than the kernel's, 1")
            }
        case .bridge: try create(link, kind: "bridge", data: messages.data(link))
        case .veth: try makePair(link)
        case .tun: try TunDevice.make(link)
        case .macvlan: try makeMacvlan(link)
        case .other:
            if let original = outside.handedIn[link.name] {
                try take(original, link)
            } else if let kind = messages.ownKind(link) {
                try perform(
                    messages.creation(link, ownKind: kind), isNew: true, link.subject, "cannot be made")
            } else {
                throw NetworkError(
                    link.subject, "is of a kind that is not made here",
                    remedy: "make one that can be moved in, and give --external netdev[\(link.name)]:NAME")
            }
        }
    }

    private mutating func create(
        _ link: NetworkLinkImage, kind: String, data: [NetlinkAttribute], _ more: [NetlinkAttribute] = []
    ) throws(NetworkError) {
        try perform(
            messages.creation(link, kind: kind, data: data, more), isNew: true, link.subject, "cannot be made"
        )
    }

    /// A pair of which an end may be here, in another namespace of the tree, or where we are.
    private mutating func makePair(_ link: NetworkLinkImage) throws(NetworkError) {
        var peer: [NetlinkAttribute] = []
        var peerIndex: UInt32 = 0
        var end: NetworkOutside.OuterEnd?
        if link.peerNamespace == outside.namespace,
            let other = image.links.first(where: {
                $0.index == link.peerIndex && $0.index != link.index
            })
        {
            // The one of the smaller number makes both.
            if other.index < link.index { return }
            peerIndex = other.index
            peer = messages.first(other)
        } else if let number = link.peerNamespace, let namespace = others[number] {
            if number < outside.namespace { return }
            guard let other = namespace.links.first(where: { $0.index == link.peerIndex }) else {
                throw NetworkError(link.subject, "has its other end in a namespace that does not know of it")
            }
            peerIndex = other.index
            peer = messages.first(other)
            peer.append(NetlinkAttribute(Attribute.namespaceDescriptor, namespace.descriptor))
        } else {
            let rule = outside.pairs[link.name]
            end = NetworkOutside.OuterEnd(
                inner: link.name, name: rule?.outer ?? "", bridge: rule?.bridge, isNamedByKernel: rule == nil)
            if let name = rule?.outer { peer.append(NetlinkAttribute(Attribute.name, name)) }
            peer.append(NetlinkAttribute(Attribute.namespaceDescriptor, home))
        }
        let body = RouteNetlink.link(0, index: peerIndex, peer).body
        do throws(NetworkError) {
            try create(link, kind: "veth", data: [NetlinkAttribute(Attribute.peer, body)])
        } catch {
            guard let end, !end.name.isEmpty, error.errno == .exists else { throw error }
            throw NetworkError(
                link.subject, "its outer end cannot be made: there is a link \(end.name) already",
                errno: error.errno, remedy: "remove it, or name another in allow: {veth: …}")
        }
        guard var end else { return }
        // Where the kernel has chosen it, only its number is known here.
        let made = try NetworkLink.all(&connection).first { $0.index == link.index }
        end.index = made?.lower ?? 0
        ends.append(end)
    }

    private mutating func makeMacvlan(_ link: NetworkLinkImage) throws(NetworkError) {
        var data = messages.data(link)
        if data.isEmpty, let macvlan = link.macvlan {
            data = [NetlinkAttribute(1, macvlan.mode)]
            if let flags = macvlan.flags {
                data.append(NetlinkAttribute(2, SockDiag.bytes(UInt16(truncatingIfNeeded: flags))))
            }
        }
        var lower: [NetlinkAttribute]
        if let inside = lowerInside(link) {
            lower = [NetlinkAttribute(Attribute.lower, inside)]
        } else {
            guard let name = outside.lowerLinks[link.name] else {
                throw NetworkError(
                    link.subject, "stands on a link outside that was not named",
                    remedy: "give --external macvlan[\(link.name)]:NAME")
            }
            let index = try NetworkNamespace.visit(home) { if_nametoindex(name) }
            guard index != 0 else {
                throw NetworkError(
                    link.subject, "is to stand on \(name), which is not here", errno: .init(rawValue: ENODEV))
            }
            lower = [
                NetlinkAttribute(Attribute.lower, UInt32(index)),
                NetlinkAttribute(Attribute.lowerNamespace, try numberOfHome()),
            ]
        }
        try create(link, kind: "macvlan", data: data, lower)
    }

    /// This namespace's number for ours; one is made where there is none.
    private mutating func numberOfHome() throws(NetworkError) -> Int32 {
        do throws(NetlinkConnection.Refusal) {
            if let number = try RouteNetlink.namespaceNumber(of: home, &connection) { return number }
            let any: Int32 = -1
            try connection.perform(
                NetlinkMessage(
                    type: RouteNetlink.newNamespaceNumber,
                    body: [0, 0, 0, 0]
                        + NetlinkAttribute(RouteNetlink.NamespaceAttribute.number, any).bytes
                        + NetlinkAttribute(RouteNetlink.NamespaceAttribute.descriptor, home).bytes))
            if let number = try RouteNetlink.namespaceNumber(of: home, &connection) { return number }
        } catch {
            throw error.about("network namespace", "cannot be given a number for ours")
        }
        throw NetworkError("network namespace", "has no number for ours, though one was made")
    }

    /// Moves a link of ours in, under its name and number.
    private func take(_ original: String, _ link: NetworkLinkImage) throws(NetworkError) {
        let target = try NetworkNamespace.own()
        let descriptor = target.rawValue
        try NetworkNamespace.visit(home) { () throws(NetworkError) in
            let index = if_nametoindex(original)
            guard index != 0 else {
                throw NetworkError(
                    link.subject, "is to be \(original), which is not here", errno: .init(rawValue: ENODEV))
            }
            var home = try NetlinkConnection.open(.route)
            let newIndex: UInt16 = 49
            do throws(NetlinkConnection.Refusal) {
                try home.perform(
                    RouteNetlink.link(
                        RouteNetlink.setLink, index: UInt32(index), change: NetworkLink.Flag.up,
                        [
                            NetlinkAttribute(Attribute.namespaceDescriptor, descriptor),
                            NetlinkAttribute(Attribute.name, link.name),
                            NetlinkAttribute(newIndex, link.index),
                        ]))
            } catch {
                throw error.about(link.subject, "\(original) cannot be moved in for it")
            }
        }
    }

    /// Ports, names and what else is set on a link that is there.
    private mutating func setAfterwards(_ link: NetworkLinkImage) throws(NetworkError) {
        let details = details(link)
        var attributes = details.filter { $0.type == Attribute.alias }
        if [.loopback, .tun, .other].contains(link.kind) {
            attributes += messages.first(link).filter {
                ![Attribute.name, Attribute.sendQueues, Attribute.receiveQueues].contains($0.type)
            }
        }
        if link.kind == .other, let own = attributes[type: Attribute.address] {
            attributes.removeAll { $0.type == Attribute.address }
            try giveAddress(own, to: link)
        }
        // No address of its own accord until all that was there is there.
        attributes.append(LinkBuilder.addressMode(1, token: nil))
        try perform(
            RouteNetlink.link(RouteNetlink.setLink, index: link.index, attributes), link.subject,
            "cannot be set up")
        for name in details[type: Attribute.properties]?.nested ?? [] {
            let newProperty: UInt16 = 108
            try perform(
                RouteNetlink.link(
                    newProperty, index: link.index, [NetlinkAttribute(Attribute.properties, nesting: [name])]),
                isNew: true, link.subject, "cannot be given its other name \(name.text)")
        }
        guard let master = link.master else { return }
        try perform(
            RouteNetlink.link(
                RouteNetlink.setLink, index: link.index, [NetlinkAttribute(Attribute.master, master)]),
            link.subject, "cannot be made a port of link \(master)")
        let information = details[type: Attribute.kindInformation]?.nested ?? []
        if let port = information[type: Attribute.portData], !port.nested.isEmpty {
            let kept = [NetlinkAttribute(Attribute.portKind, "bridge"), port]
            try perform(
                RouteNetlink.link(
                    RouteNetlink.newLink, index: link.index,
                    [NetlinkAttribute(Attribute.kindInformation, nesting: kept)]), link.subject,
                "cannot be set up as a port")
        }
    }

    /// A link that was handed in may be of a kind that keeps its hardware address.
    private mutating func giveAddress(_ address: NetlinkAttribute, to link: NetworkLinkImage)
        throws(NetworkError)
    {
        do throws(NetlinkConnection.Refusal) {
            try connection.perform(RouteNetlink.link(RouteNetlink.setLink, index: link.index, [address]))
        } catch {
            if error.errno != .notSupported { throw error.about(link.subject, "cannot be given its address") }
        }
    }

    /// IN6_ADDR_GEN_MODE_*: how the kernel makes addresses of IPv6 by itself; 1 is not at all.
    private static func addressMode(_ mode: UInt8, token: NetlinkAttribute?) -> NetlinkAttribute {
        let options = [NetlinkAttribute(Attribute.addressMode, [mode])] + (token.map { [$0] } ?? [])
        return NetlinkAttribute(
            Attribute.familyOptions,
            nesting: [NetlinkAttribute(UInt16(RouteNetlink.Family.six), nesting: options)])
    }

    /// Up or down, and what else an administrator sets.
    mutating func setFlags() throws(NetworkError) {
        for link in LinkMessages.startOrder(image.links, lower: { lowerInside($0) }) {
            let flags = link.flags & (NetworkLink.Flag.up | NetworkLink.Flag.settable)
            try perform(
                RouteNetlink.link(
                    RouteNetlink.setLink, index: link.index, flags: flags,
                    change: NetworkLink.Flag.up | NetworkLink.Flag.settable, []), link.subject,
                flags & NetworkLink.Flag.up != 0 ? "cannot be set up" : "cannot be set down")
        }
    }

    /// From now on the kernel makes addresses again as it did.
    mutating func setAddressModes() throws(NetworkError) {
        for link in image.links {
            let six = details(link)[type: Attribute.familyOptions]?.nested[
                type: UInt16(RouteNetlink.Family.six)]?.nested
            // An image of a stock `criu` does not tell: as in every new namespace.
            let mode = six?[type: Attribute.addressMode]?.value.first ?? 0
            try perform(
                RouteNetlink.link(
                    RouteNetlink.setLink, index: link.index,
                    [Self.addressMode(mode, token: six?[type: Attribute.token])]), link.subject,
                "cannot be told how to make addresses")
        }
    }

    /// A link that has never been without a carrier is in the state UNKNOWN until somebody sets it; see operstates.txt of the
    /// kernel's documentation.
    mutating func setOperationalStates() throws(NetworkError) {
        let up: [UInt8] = [6]
        for link in image.links where details(link)[type: Attribute.operationalState]?.value == up {
            try perform(
                RouteNetlink.link(
                    RouteNetlink.setLink, index: link.index,
                    [NetlinkAttribute(Attribute.operationalState, up)]),
                link.subject, "cannot be told that it is up")
        }
    }

    private mutating func perform(
        _ message: NetlinkMessage, isNew: Bool = false, _ subject: String, _ fact: String
    ) throws(NetworkError) {
        var message = message
        if isNew { message.flags = NetlinkConnection.Flag.create | NetlinkConnection.Flag.exclusive }
        do throws(NetlinkConnection.Refusal) {
            try connection.perform(message)
        } catch {
            throw error.about(subject, fact)
        }
    }
}

extension NetworkLinkImage {
    var subject: String { "link \(name) of a network namespace" }
}
