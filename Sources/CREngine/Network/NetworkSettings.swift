import CPlatform
import Glibc

/// Settings below /proc/sys/net of the namespace that the calling thread is in.
enum NetworkSettings {
    private static let root = "/proc/sys/net"

    /// CRIU's lists: the place of a value tells which it is.
    static let four = [
        "accept_local", "accept_redirects", "accept_source_route", "arp_accept", "arp_announce", "arp_filter",
        "arp_ignore", "arp_notify", "bootp_relay", "disable_policy", "disable_xfrm", "force_igmp_version",
        "forwarding", "igmpv2_unsolicited_report_interval", "igmpv3_unsolicited_report_interval",
        "log_martians", "medium_id", "promote_secondaries", "proxy_arp", "proxy_arp_pvlan", "route_localnet",
        "rp_filter", "secure_redirects", "send_redirects", "shared_media", "src_valid_mark", "tag",
        "ignore_routes_with_linkdown", "drop_gratuitous_arp", "drop_unicast_in_l2_multicast",
    ]
    static let six = [
        "accept_dad", "accept_ra", "accept_ra_defrtr", "accept_ra_from_local", "accept_ra_min_hop_limit",
        "accept_ra_mtu", "accept_ra_pinfo", "accept_ra_rt_info_max_plen", "accept_ra_rtr_pref",
        "accept_redirects", "accept_source_route", "autoconf", "dad_transmits", "disable_ipv6",
        "drop_unicast_in_l2_multicast", "drop_unsolicited_na", "force_mld_version", "force_tllao",
        "forwarding", "hop_limit", "ignore_routes_with_linkdown", "keep_addr_on_down", "max_addresses",
        "max_desync_factor", "mldv1_unsolicited_report_interval", "mldv2_unsolicited_report_interval", "mtu",
        "ndisc_notify", "optimistic_dad", "proxy_ndp", "regen_max_retry", "router_probe_interval",
        "router_solicitation_delay", "router_solicitation_interval", "router_solicitations", stableSecret,
        "suppress_frag_ndisc", "temp_prefered_lft", "temp_valid_lft", "use_oif_addrs_only",
        "use_optimistic", "use_tempaddr",
    ]
    static let unix = ["max_dgram_qlen"]
    static let ipv4 = ["ping_group_range"]
    /// The only one that is text; it cannot be read where none is set.
    static let stableSecret = "stable_secret"
    /// What every namespace begins with: nobody may.
    private static let usualPingGroups = "1\t0"
    /// Files that are no settings: what they tell, or what to write does.
    private static let noSettings: Set<String> = ["flush", "nf_conntrack_count", "nf_conntrack_buckets"]
    private static let longestValue = 4096

    /// A value of a list, by its name there and its directory.
    static func list(_ names: [String], in directory: String) -> [SettingImage] {
        names.map { name in
            let text = value("\(directory)/\(name)")
            if name == stableSecret || name == "ping_group_range" {
                return .text(name == "ping_group_range" && text == usualPingGroups ? nil : text)
            }
            return .number(text.flatMap { Int32($0) })
        }
    }

    static func ofNamespace() -> NetworkSettingsImage {
        var image = NetworkSettingsImage()
        image.default4 = list(four, in: "ipv4/conf/default")
        image.all4 = list(four, in: "ipv4/conf/all")
        image.default6 = list(six, in: "ipv6/conf/default")
        image.all6 = list(six, in: "ipv6/conf/all")
        image.unix = list(unix, in: "unix")
        image.ipv4 = list(ipv4, in: "ipv4")
        return image
    }

    /// Every setting that the namespace has for itself.
    static func all() throws(NetworkError) -> [NetworkDetailsImage.Setting] {
        var found: [NetworkDetailsImage.Setting] = []
        try NetworkError.about("network namespace", "its settings cannot be listed") {
            () throws(Errno) -> Void in
            try walk("", &found)
        }
        return found.sorted { $0.path < $1.path }
    }

    private static func walk(
        _ path: String, _ found: inout [NetworkDetailsImage.Setting]
    ) throws(Errno) {
        for (name, isDirectory) in try entries("\(root)/\(path)") {
            let below = path.isEmpty ? name : "\(path)/\(name)"
            if isDirectory {
                try walk(below, &found)
            } else if !noSettings.contains(name), access("\(root)/\(below)", W_OK) == 0, isWritable(below),
                let value = value(below), !value.contains("\n")
            {
                found.append(NetworkDetailsImage.Setting(path: below, value: value))
            }
        }
    }

    /// Root may write anything: the mode says what the kernel means.
    private static func isWritable(_ path: String) -> Bool {
        var status = stat()
        return stat("\(root)/\(path)", &status) == 0 && status.st_mode & 0o200 != 0
    }

    private static func entries(_ path: String) throws(Errno) -> [(String, Bool)] {
        guard let directory = opendir(path) else { throw Errno(rawValue: errno) }
        defer { closedir(directory) }
        var found: [(String, Bool)] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { found.append((name, entry.pointee.d_type == 4)) }
        }
        return found
    }

    /// Without the line end; nil where it cannot be read.
    static func value(_ path: String) -> String? {
        guard let file = try? OwnedFD.open("\(root)/\(path)", O_RDONLY),
            let bytes = try? file.readToEnd(limit: longestValue)
        else { return nil }
        var text = String(decoding: bytes, as: UTF8.self)
        if text.hasSuffix("\n") { text.removeLast() }
        return text
    }

    /// Puts the values of a list back, but for those that are there already and those that were not known.
    static func restore(
        _ values: [SettingImage], _ names: [String], in directory: String
    ) throws(NetworkError) {
        for (value, name) in zip(values, names) {
            switch value {
            case .number(let number?): try set("\(directory)/\(name)", "\(number)")
            case .text(let text?): try set("\(directory)/\(name)", text)
            case .number(nil), .text(nil): break
            }
        }
    }

    /// Writes only where it changes something: many of them act when they are written.
    static func set(_ path: String, _ wanted: String) throws(NetworkError) {
        guard value(path) != wanted else { return }
        // A kernel without IPv6, or an older one, has not all.
        guard access("\(root)/\(path)", F_OK) == 0 else { return }
        try NetworkError.about("setting net.\(path)", "cannot be set to \(wanted.debugDescription)") {
            () throws(Errno) -> Void in
            try ProcText.write("\(root)/\(path)", wanted)
        }
    }
}
