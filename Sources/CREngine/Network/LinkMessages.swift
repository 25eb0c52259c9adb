/// The requests that make the links of an image, as values.
struct LinkMessages: Sendable {
    private typealias Attribute = NetworkLink.Attribute

    let image: NetworkNamespaceImage

    /// What our own file has of a link; empty in images of a stock `criu`.
    func details(_ link: NetworkLinkImage) -> [NetlinkAttribute] {
        image.details.links.first { $0.word(4) == link.index }?.attributes(after: RouteNetlink.Head.link)
            ?? []
    }

    /// A kind that CRIU does not make, and we do; nil for others.
    func ownKind(_ link: NetworkLinkImage) -> String? {
        let name = details(link)[type: Attribute.kindInformation]?.nested[type: Attribute.kind]?.text
        return name.flatMap { NetworkOutside.ownKinds.contains($0) ? $0 : nil }
    }

    /// IFLA_INFO_DATA
    func data(_ link: NetworkLinkImage) -> [NetlinkAttribute] {
        let information = details(link)[type: Attribute.kindInformation]?.nested ?? []
        return information[type: Attribute.data]?.nested ?? []
    }

    /// The link that a vlan stands on.
    func lower(_ link: NetworkLinkImage) -> NetlinkAttribute? { details(link)[type: Attribute.lower] }

    /// What is given when a link is made.
    func first(_ link: NetworkLinkImage) -> [NetlinkAttribute] {
        var attributes = [NetlinkAttribute(Attribute.name, link.name)]
        if link.mtu > 0 { attributes.append(NetlinkAttribute(Attribute.mtu, link.mtu)) }
        if let address = link.address { attributes.append(NetlinkAttribute(Attribute.address, address)) }
        let early = [
            Attribute.queueLength, Attribute.group, Attribute.sendQueues, Attribute.receiveQueues,
        ]
        return attributes + details(link).filter { early.contains($0.type) }
    }

    /// RTM_NEWLINK
    func creation(
        _ link: NetworkLinkImage, kind: String, data: [NetlinkAttribute], _ more: [NetlinkAttribute] = []
    ) -> NetlinkMessage {
        var information = [NetlinkAttribute(Attribute.kind, kind)]
        if !data.isEmpty { information.append(NetlinkAttribute(Attribute.data, nesting: data)) }
        return RouteNetlink.link(
            RouteNetlink.newLink, index: link.index,
            first(link) + more + [NetlinkAttribute(Attribute.kindInformation, nesting: information)])
    }

    /// The same for a kind of our own: dummy, or vlan on its lower link.
    func creation(_ link: NetworkLinkImage, ownKind: String) -> NetlinkMessage {
        creation(link, kind: ownKind, data: data(link), lower(link).map { [$0] } ?? [])
    }

    /// The order in which links are set up or down: the ports of a bridge before it, so that it is up when they are, and
    /// lower links before those that stand on them: a vlan cannot be up before (vlan_dev_open), and comes up
    /// unasked with its lower link (vlan_device_event).
    static func startOrder(
        _ links: [NetworkLinkImage], lower: (NetworkLinkImage) -> UInt32?
    ) -> [NetworkLinkImage] {
        var rest = links
        var order: [NetworkLinkImage] = []
        while !rest.isEmpty {
            let waiting = Set(rest.map(\.index))
            // Links that wait for each other are no kernel's: the first is as good as any.
            let next =
                rest.firstIndex { link in
                    lower(link).map { !waiting.contains($0) || $0 == link.index } ?? true
                        && (link.kind != .bridge || !rest.contains { $0.master == link.index })
                } ?? 0
            order.append(rest.remove(at: next))
        }
        return order
    }
}
