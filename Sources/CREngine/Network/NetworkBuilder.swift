import CPlatform
import Glibc

/// Makes what an image holds in a new, empty network namespace.
///
/// The namespace is locked until `release`: nothing of what it says goes out before its tasks are there.
final class NetworkBuilder {
    private let image: NetworkNamespaceImage
    private let outside: NetworkOutside
    private let runID: String
    private let namespace: OwnedFD
    private let home: OwnedFD
    private var lock: NamespaceLock?
    /// Links that are handed in are given back should this process die; so it must be crplan.
    private let keepsLinks: Bool
    private var keeper: LinkKeeper?
    /// Ends of pairs that are where we are, with the names that they have.
    private(set) var ends: [NetworkOutside.OuterEnd] = []

    /// `descriptor` is the namespace's; it is not kept.
    init(
        _ image: NetworkNamespaceImage, _ outside: NetworkOutside, runID: String, descriptor: Int32,
        keepsLinks: Bool = false
    ) throws(NetworkError) {
        self.keepsLinks = keepsLinks
        self.image = image
        self.outside = outside
        self.runID = runID
        home = try NetworkNamespace.own()
        namespace = try NetworkError.about("network namespace", "cannot be kept") {
            () throws(Errno) -> OwnedFD in
            OwnedFD(taking: Int32(try systemCall(CP_SYS_fcntl, Int(descriptor), Int(F_DUPFD_CLOEXEC), 3)))
        }
    }

    /// All of it. `others` are the tree's other namespaces, each already there.
    func build(others: [UInt32: NetworkOutside.OtherNamespace] = [:]) throws(NetworkError) {
        lock = try NamespaceLock.take(namespace.rawValue, table: "crplan-restore-\(getpid())")
        try keepLinks()
        let (image, outside, home) = (image, outside, home.rawValue)
        ends = try NetworkNamespace.visit(namespace.rawValue) { () throws(NetworkError) in
            try Self.buildHere(image, outside, home: home, others)
        }
        let unnamed = ends
        ends = try NetworkNamespace.visit(home) { () throws(NetworkError) in try Self.named(unnamed) }
    }

    /// Before links are moved in from where we are, somebody is there to give them back.
    private func keepLinks() throws(NetworkError) {
        let (image, handedIn) = (image, outside.handedIn)
        if !keepsLinks || handedIn.isEmpty { return }
        let links = try NetworkNamespace.visit(home.rawValue) { () throws(NetworkError) in
            image.links.compactMap { link -> LinkKeeper.Link? in
                guard link.kind == .other, let name = handedIn[link.name] else { return nil }
                let index = if_nametoindex(name)
                return index == 0 ? nil : LinkKeeper.Link(name: name, index: index, inside: link.index)
            }
        }
        if links.isEmpty { return }
        keeper = try LinkKeeper(links, namespace: namespace.rawValue, home: home.rawValue)
    }

    /// The tree runs.
    func yieldLinks() { keeper?.yield() }

    /// The tree is gone before it ran.
    func giveLinksBack() { keeper?.giveBack() }

    private static func buildHere(
        _ image: NetworkNamespaceImage, _ outside: NetworkOutside, home: Int32,
        _ others: [UInt32: NetworkOutside.OtherNamespace]
    ) throws(NetworkError) -> [NetworkOutside.OuterEnd] {
        try restoreCommonSettings(image.settings)
        var links = LinkBuilder(
            image, outside, home: home, others: others,
            connection: try NetlinkConnection.open(.route))
        try links.makeAll()
        try FilterRules.restore(
            FilterRules.Texts(
                nftables: image.nftables, foreign: image.details.foreignRules, iptables: image.iptables,
                ip6tables: image.ip6tables))
        try restoreSettings(of: image.links)
        try links.setFlags()
        var tables = NetworkTablesBuilder(
            connection: try NetlinkConnection.open(.route))
        try tables.restore(image)
        try restoreOwn(image.details.settings)
        try restoreDuplicateDetection(image)
        try links.setAddressModes()
        try links.setOperationalStates()
        try ConnectionTracking.restore(image.tracked, image.expected)
        return links.ends
    }

    private static let duplicateDetection = "accept_dad"

    /// Those of the namespace, before there are links to inherit them.
    private static func restoreCommonSettings(_ settings: NetworkSettingsImage) throws(NetworkError) {
        try NetworkSettings.restore(settings.unix, NetworkSettings.unix, in: "unix")
        try NetworkSettings.restore(settings.ipv4, NetworkSettings.ipv4, in: "ipv4")
        try NetworkSettings.restore(settings.all4, NetworkSettings.four, in: "ipv4/conf/all")
        try NetworkSettings.restore(settings.default4, NetworkSettings.four, in: "ipv4/conf/default")
        try NetworkSettings.restore(withoutDetection(settings.all6), NetworkSettings.six, in: "ipv6/conf/all")
        try NetworkSettings.restore(settings.default6, NetworkSettings.six, in: "ipv6/conf/default")
    }

    /// No address is to be doubted that was in use: what is bound to it would not find it.
    private static func withoutDetection(_ values: [SettingImage]) -> [SettingImage] {
        zip(values, NetworkSettings.six).map { $1 == duplicateDetection ? .number(0) : $0 }
    }

    private static func restoreSettings(of links: [NetworkLinkImage]) throws(NetworkError) {
        for link in links {
            try NetworkSettings.restore(
                link.conf4, NetworkSettings.four, in: "ipv4/conf/\(link.name)")
            try NetworkSettings.restore(
                withoutDetection(link.conf6), NetworkSettings.six, in: "ipv6/conf/\(link.name)")
        }
    }

    private static func restoreDuplicateDetection(_ image: NetworkNamespaceImage) throws(NetworkError) {
        let place = NetworkSettings.six.firstIndex(of: duplicateDetection) ?? 0
        let values =
            [("all", image.settings.all6)] + image.links.map { ($0.name, $0.conf6) }
        for (name, values) in values {
            guard values.indices.contains(place), case .number(let number?) = values[place] else { continue }
            try NetworkSettings.set("ipv6/conf/\(name)/\(duplicateDetection)", "\(number)")
        }
    }

    /// What no list of CRIU has. Some are refused before others are set, so those are tried again.
    private static func restoreOwn(_ settings: [NetworkDetailsImage.Setting]) throws(NetworkError) {
        // Writing the mode makes addresses; links have it set by netlink.
        let wanted = settings.filter { setting in
            !setting.path.hasSuffix("/\(duplicateDetection)")
                && (!setting.path.hasSuffix("/addr_gen_mode")
                    || setting.path == "ipv6/conf/default/addr_gen_mode")
        }
        var refused: [NetworkDetailsImage.Setting] = []
        for setting in wanted {
            do throws(NetworkError) {
                try NetworkSettings.set(setting.path, setting.value)
            } catch {
                refused.append(setting)
            }
        }
        for setting in refused { try NetworkSettings.set(setting.path, setting.value) }
    }

    /// Names of the ends where we are, by their numbers.
    private static func named(
        _ ends: [NetworkOutside.OuterEnd]
    ) throws(NetworkError) -> [NetworkOutside.OuterEnd] {
        var named = ends
        for place in named.indices where named[place].name.isEmpty {
            var buffer = [CChar](repeating: 0, count: Int(IFNAMSIZ))
            guard if_indextoname(named[place].index, &buffer) != nil else {
                throw NetworkError(
                    "outer end of \(named[place].inner)", "is gone", errno: Errno(rawValue: errno))
            }
            named[place].name = String(
                decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
        return named
    }

    /// The tasks are complete: outer ends become ports of their bridges and go up, as CRIU has it.
    func connect() throws(NetworkError) {
        let ends = ends.filter { $0.bridge != nil }
        if ends.isEmpty { return }
        try NetworkNamespace.visit(home.rawValue) { () throws(NetworkError) in
            var connection = try NetlinkConnection.open(.route)
            for end in ends {
                guard let bridge = end.bridge else { continue }
                let subject = "outer end \(end.name) of link \(end.inner)"
                let master = if_nametoindex(bridge)
                guard master != 0 else {
                    throw NetworkError(
                        subject, "there is no bridge \(bridge)", errno: Errno(rawValue: ENODEV))
                }
                do throws(NetlinkConnection.Refusal) {
                    try connection.perform(
                        RouteNetlink.link(
                            RouteNetlink.setLink, index: end.index, flags: NetworkLink.Flag.up,
                            change: NetworkLink.Flag.up,
                            [NetlinkAttribute(NetworkLink.Attribute.master, UInt32(master))]))
                } catch {
                    throw error.about(subject, "cannot be made a port of bridge \(bridge)")
                }
            }
        }
    }

    /// The tree is about to run: traffic goes again, past the lock of the dump too.
    func release() throws(NetworkError) {
        let (runID, hasRules) = (runID, NamespaceLock.dumpedRules(in: image.nftables))
        let texts = (image.iptables, image.ip6tables)
        try NetworkNamespace.visit(namespace.rawValue) { () throws(NetworkError) in
            try NamespaceLock.removeDumped(runID: runID)
            try FilterRules.removeLock(inNFTables: hasRules, texts.0, texts.1)
        }
        try lock?.release()
        lock = nil
    }
}
