import CPlatform

// netdev-NS.img and netns-NS.img, files of iproute2's format beside them, and two of our own.

extension NetworkNamespaceImage {
    /// The words that open iproute2's files.
    enum Magic {
        static let addresses: UInt32 = 0x4736_1222
        static let routes: UInt32 = 0x4531_1224
        static let rules: UInt32 = 0x7170_6986
        /// Our own: links, neighbours, rules of IPv6, rules of nftables with parts of iptables.
        static let details: UInt32 = 0x4e43_5201
    }
    /// No file of these is as large as this; a larger one is damage.
    static let longestFile = 256 << 20

    /// A part without rows has no file, but for those that a stock `criu` opens in any case.
    func write(namespace: UInt32, to directory: borrowing OwnedFD) throws(ImageError) {
        var head = ImageFileWriter(.networkNamespace, name: ImageName.networkNamespace(namespace))
        head.append(packed())
        try head.save(in: directory)
        if externalKey != nil { return }
        var devices = ImageFileWriter(.networkDevices, name: ImageName.networkDevices(namespace))
        for link in links { devices.append(link.packed()) }
        try devices.save(in: directory)
        func messages(_ part: String, _ magic: UInt32?, _ rows: [NetlinkMessage]) throws(ImageError) {
            let head = magic.map { SockDiag.bytes($0) } ?? []
            try Self.save(head + rows.flatMap { $0.bytes() }, ImageName.network(part, namespace), directory)
        }
        try messages("ifaddr", Magic.addresses, addresses)
        try messages("route", Magic.routes, routes)
        try messages("route6", Magic.routes, routes6)
        try messages("rule", Magic.rules, rules)
        if !tracked.isEmpty { try messages("netns-ct", nil, tracked) }
        if !expected.isEmpty { try messages("netns-exp", nil, expected) }
        if !details.messages.isEmpty { try messages("netlink", Magic.details, details.messages) }
        for (part, text) in [("iptables", iptables), ("ip6tables", ip6tables), ("nftables", nftables)]
        where !text.isEmpty {
            try Self.save(Array(text.utf8), ImageName.network(part, namespace), directory)
        }
        if !details.settings.isEmpty {
            let lines = details.settings.map { "net/\($0.path) = \($0.value)\n" }
            try Self.save(Array(lines.joined().utf8), ImageName.network("netsysctl", namespace), directory)
        }
    }

    /// Nil where the set has no such namespace.
    static func read(
        namespace: UInt32, in directory: borrowing OwnedFD, _ framing: ImageFileReader.Framing
    ) throws(ImageError) -> NetworkNamespaceImage? {
        guard
            var head = try ImageFileReader.openIfPresent(
                .networkNamespace, name: ImageName.networkNamespace(namespace), in: directory,
                framing: framing)
        else { return nil }
        var image = try NetworkNamespaceImage(try head.single())
        if image.externalKey != nil { return image }
        if var devices = try ImageFileReader.openIfPresent(
            .networkDevices, name: ImageName.networkDevices(namespace), in: directory, framing: framing)
        {
            var indices: Set<UInt32> = []
            while let entry = try devices.next() {
                let link = try NetworkLinkImage(entry)
                guard indices.insert(link.index).inserted else {
                    throw entry.error("link \(link.index) is there twice")
                }
                image.links.append(link)
            }
        }
        func messages(_ part: String, _ magic: UInt32?) throws(ImageError) -> [NetlinkMessage] {
            try rows(ImageName.network(part, namespace), magic, in: directory)
        }
        image.addresses = try messages("ifaddr", Magic.addresses)
        image.routes = try messages("route", Magic.routes)
        image.routes6 = try messages("route6", Magic.routes)
        image.rules = try messages("rule", Magic.rules)
        image.tracked = try messages("netns-ct", nil)
        image.expected = try messages("netns-exp", nil)
        for row in try messages("netlink", Magic.details) {
            switch row.type {
            case RouteNetlink.newLink: image.details.links.append(row)
            case RouteNetlink.newNeighbour: image.details.neighbours.append(row)
            case RouteNetlink.newRule: image.details.rules6.append(row)
            case FilterMessages.newRule where FilterRule(row) != nil: image.details.foreignRules.append(row)
            default:
                throw ImageError(
                    file: ImageName.network("netlink", namespace), "has a message of type \(row.type)")
            }
        }
        image.iptables = try text(ImageName.network("iptables", namespace), in: directory)
        image.ip6tables = try text(ImageName.network("ip6tables", namespace), in: directory)
        image.nftables = try text(ImageName.network("nftables", namespace), in: directory)
        image.details.settings = try settings(ImageName.network("netsysctl", namespace), in: directory)
        return image
    }

    private static func save(
        _ bytes: [UInt8], _ name: String, _ directory: borrowing OwnedFD
    ) throws(ImageError) {
        do throws(Errno) {
            try ImageDirectory.create(name, in: directory).writeAll(bytes)
        } catch {
            throw ImageError(file: name, "cannot be written", errno: error)
        }
    }

    /// Empty where there is no file.
    private static func bytes(
        _ name: String, in directory: borrowing OwnedFD
    ) throws(ImageError) -> [UInt8] {
        guard let file = try ImageDirectory.openIfPresent(name, in: directory) else { return [] }
        guard file.size <= longestFile else {
            throw ImageError(file: name, "has \(file.size) bytes, which is not possible")
        }
        do throws(Errno) {
            return try file.takeFD().readToEnd(limit: longestFile)
        } catch {
            throw ImageError(file: name, "cannot be read", errno: error)
        }
    }

    private static func text(_ name: String, in directory: borrowing OwnedFD) throws(ImageError) -> String {
        let bytes = try bytes(name, in: directory)
        guard let text = String(validating: bytes, as: UTF8.self), !bytes.contains(0) else {
            throw ImageError(file: name, "is not UTF-8 text")
        }
        return text
    }

    private static func rows(
        _ name: String, _ magic: UInt32?, in directory: borrowing OwnedFD
    ) throws(ImageError) -> [NetlinkMessage] {
        let bytes = try bytes(name, in: directory)
        var rest = bytes[...]
        if let magic, !bytes.isEmpty {
            guard bytes.count >= 4, rest.word(0) == magic else {
                throw ImageError(file: name, "does not begin as this kind of image does")
            }
            rest = rest.dropFirst(4)
        }
        guard let rows = NetlinkMessage.list(rest) else {
            throw ImageError(file: name, "is damaged: its messages do not add up to it")
        }
        return rows
    }

    private static func settings(
        _ name: String, in directory: borrowing OwnedFD
    ) throws(ImageError) -> [NetworkDetailsImage.Setting] {
        var rows: [NetworkDetailsImage.Setting] = []
        for line in try text(name, in: directory).split(separator: "\n") {
            let words = line.split(separator: "=", maxSplits: 1)
            let path = words[0].trimmed
            // Nothing but a file below /proc/sys/net.
            guard words.count == 2, path.hasPrefix("net/"),
                !path.split(separator: "/", omittingEmptySubsequences: false).contains(where: {
                    ["", ".", ".."].contains($0)
                })
            else { throw ImageError(file: name, "has a line that is no setting") }
            rows.append(
                NetworkDetailsImage.Setting(
                    path: String(path.dropFirst("net/".count)), value: String(words[1].dropFirst())))
        }
        return rows
    }
}

extension Substring {
    fileprivate var trimmed: Substring {
        var text = drop { $0 == " " }
        while text.last == " " { text.removeLast() }
        return text
    }
}

extension NetworkNamespaceImage {
    fileprivate func packed() -> [UInt8] {
        MessageArena.pack { arena in
            let message = arena.make(netns_entry__init)
            let groups = [
                settings.default4, settings.all4, settings.default6, settings.all6, settings.unix,
                settings.ipv4,
            ].map { $0.messages(in: arena) }
            (message.pointee.n_def_conf4, message.pointee.def_conf4) = groups[0]
            (message.pointee.n_all_conf4, message.pointee.all_conf4) = groups[1]
            (message.pointee.n_def_conf6, message.pointee.def_conf6) = groups[2]
            (message.pointee.n_all_conf6, message.pointee.all_conf6) = groups[3]
            (message.pointee.n_unix_conf, message.pointee.unix_conf) = groups[4]
            (message.pointee.n_ipv4_sysctl, message.pointee.ipv4_sysctl) = groups[5]
            let rows = ids.map { id in
                let row = arena.make(netns_id__init)
                (row.pointee.target_ns_id, row.pointee.netnsid_value) = (id.namespace, id.number)
                return row
            }
            (message.pointee.n_nsids, message.pointee.nsids) = (rows.count, arena.array(messages: rows))
            if let externalKey { message.pointee.ext_key = arena.string(externalKey) }
            return message
        }
    }

    fileprivate init(_ entry: ImageEntry) throws(ImageError) {
        self.init()
        self = try entry.read(netns_entry__unpack) { (message) throws(ImageError) -> Self in
            var image = NetworkNamespaceImage()
            image.settings.default4 = try [SettingImage](message.def_conf4, message.n_def_conf4, entry)
            image.settings.all4 = try [SettingImage](message.all_conf4, message.n_all_conf4, entry)
            image.settings.default6 = try [SettingImage](message.def_conf6, message.n_def_conf6, entry)
            image.settings.all6 = try [SettingImage](message.all_conf6, message.n_all_conf6, entry)
            image.settings.unix = try [SettingImage](message.unix_conf, message.n_unix_conf, entry)
            image.settings.ipv4 = try [SettingImage](message.ipv4_sysctl, message.n_ipv4_sysctl, entry)
            image.ids = messageList(message.nsids, message.n_nsids).map {
                NamespaceNumber(namespace: $0.target_ns_id, number: $0.netnsid_value)
            }
            if message.ext_key != nil {
                image.externalKey = try entry.text(message.ext_key, "label of the namespace")
            }
            return image
        }
    }
}

extension NetworkLinkImage {
    /// IFNAMSIZ, without the zero byte.
    static let longestName = 15
    /// MAX_ADDR_LEN.
    static let longestAddress = 32

    fileprivate func packed() -> [UInt8] {
        MessageArena.pack { arena in
            let message = arena.make(net_device_entry__init)
            message.pointee.type = NdType(kind.rawValue)
            (message.pointee.ifindex, message.pointee.mtu, message.pointee.flags) = (index, mtu, flags)
            message.pointee.name = arena.string(name)
            if let tun {
                let row = arena.make(tun_link_entry__init)
                (row.pointee.flags, row.pointee.owner, row.pointee.group) = (tun.flags, tun.owner, tun.group)
                (row.pointee.vnethdr, row.pointee.sndbuf) = (tun.headerSize, tun.sendBuffer)
                message.pointee.tun = row
            }
            if let address {
                (message.pointee.has_address, message.pointee.address) = (1, arena.data(address))
            }
            (message.pointee.n_conf4, message.pointee.conf4) = conf4.messages(in: arena)
            (message.pointee.n_conf6, message.pointee.conf6) = conf6.messages(in: arena)
            if let macvlan {
                let row = arena.make(macvlan_link_entry__init)
                row.pointee.mode = macvlan.mode
                if let flags = macvlan.flags { (row.pointee.has_flags, row.pointee.flags) = (1, flags) }
                message.pointee.macvlan = row
            }
            if let peerIndex {
                (message.pointee.has_peer_ifindex, message.pointee.peer_ifindex) = (1, peerIndex)
            }
            if let peerNamespace {
                (message.pointee.has_peer_nsid, message.pointee.peer_nsid) = (1, peerNamespace)
            }
            if let master { (message.pointee.has_master, message.pointee.master) = (1, master) }
            return message
        }
    }

    fileprivate init(_ entry: ImageEntry) throws(ImageError) {
        self = try entry.read(net_device_entry__unpack) { (message) throws(ImageError) -> Self in
            guard let kind = Kind(rawValue: message.type.rawValue) else {
                throw entry.error("link of kind \(message.type.rawValue) is not known")
            }
            let name = try entry.text(message.name, "name of a link")
            guard !name.isEmpty, name.utf8.count <= Self.longestName, name != ".", name != "..",
                !name.contains("/"), message.ifindex > 0, message.ifindex <= UInt32(Int32.max)
            else { throw entry.error("link \(message.ifindex) has a name or number that is not possible") }
            var link = NetworkLinkImage(
                kind: kind, index: message.ifindex, mtu: message.mtu, flags: message.flags, name: name)
            if let tun = message.tun?.pointee {
                link.tun = Tun(
                    flags: tun.flags, owner: tun.owner, group: tun.group, headerSize: tun.vnethdr,
                    sendBuffer: tun.sndbuf)
            }
            link.address = given(message.has_address, message.address).map(dataBytes)
            guard link.address?.count ?? 0 <= Self.longestAddress else {
                throw entry.error("link \(name) has an address that is too long")
            }
            link.conf4 = try [SettingImage](message.conf4, message.n_conf4, entry)
            link.conf6 = try [SettingImage](message.conf6, message.n_conf6, entry)
            if let macvlan = message.macvlan?.pointee {
                link.macvlan = Macvlan(mode: macvlan.mode, flags: given(macvlan.has_flags, macvlan.flags))
            }
            link.peerIndex = given(message.has_peer_ifindex, message.peer_ifindex)
            link.peerNamespace = given(message.has_peer_nsid, message.peer_nsid)
            link.master = given(message.has_master, message.master)
            return link
        }
    }
}

extension [SettingImage] {
    fileprivate typealias Rows = UnsafeMutablePointer<UnsafeMutablePointer<SysctlEntry>?>?

    fileprivate func messages(in arena: MessageArena) -> (Int, Rows) {
        let rows = map { setting in
            let row = arena.make(sysctl_entry__init)
            switch setting {
            case .number(let value):
                row.pointee.type = SYSCTL_TYPE__CTL_32
                if let value { (row.pointee.has_iarg, row.pointee.iarg) = (1, value) }
            case .text(let text):
                row.pointee.type = SYSCTL_TYPE__CTL_STR
                if let text { row.pointee.sarg = arena.string(text) }
            }
            return row
        }
        return (rows.count, arena.array(messages: rows))
    }

    fileprivate init(_ start: Rows, _ count: Int, _ entry: ImageEntry) throws(ImageError) {
        self = []
        for row in messageList(start, count) {
            if row.type == SYSCTL_TYPE__CTL_32 {
                append(.number(given(row.has_iarg, row.iarg)))
            } else if row.sarg == nil {
                append(.text(nil))
            } else {
                append(.text(try entry.text(row.sarg, "a setting")))
            }
        }
    }
}
