import Glibc
import TestSupport
import Testing

/// Links of each kind in a tree's network namespace, links that a restore is handed, and the lock of a dump that dies.
@Suite(
    .serialized,
    .enabled(if: BuiltPrograms.canApply, "needs root, and a crplan that has apply and restore"))
struct LinkTreeTests {
    /// Kinds that not every kernel has are left out where they cannot be made.
    private static let links = """
        ip link set lo up
        ip link add br7 type bridge forward_delay 300; ip link add va type veth peer name vb; ip link set vb master br7
        ip tuntap add dev tap7 mode tap user 12; ip link set tap7 master br7
        ip tuntap add dev tun7 mode tun
        ip link add link va name mac7 type macvlan mode bridge
        ip link add dum7 type dummy 2>/dev/null || true
        ip link add link va name va.7 type vlan id 7 2>/dev/null || true
        ip link set va mtu 1400 txqueuelen 77 alias inner; ip link property add dev va altname an-altogether-longer-name
        ip addr add 10.9.1.1/24 dev va; ip addr add 10.9.2.1/24 dev br7; ip addr add 10.9.3.1/24 dev mac7
        ip addr add 10.9.4.1 peer 10.9.4.2/32 dev tun7; ip addr add fd00:9::1/64 dev va nodad
        for link in $(ls /sys/class/net); do ip link set $link up; done
        ip route add default via 10.9.1.2; ip route add 10.77.0.0/16 via 10.9.1.2
        ip route add 10.78.0.0/16 via 10.9.1.2 table 77 metric 5
        ip route add 10.79.0.0/16 nexthop via 10.9.1.2 weight 2 nexthop via 10.9.1.4; ip route add blackhole 10.80.0.0/16
        ip route add fd00:77::/32 via fd00:9::2
        ip rule add from 10.3.0.0/16 lookup 77 prio 1000; ip -6 rule add from fd00:3::/32 lookup 77 prio 1001
        ip neigh add 10.9.1.2 lladdr 02:00:00:00:00:77 dev va nud permanent; ip neigh add proxy 10.9.1.9 dev va
        bridge fdb add 02:00:00:00:00:99 dev vb master static
        sysctl -q -w net.ipv4.ip_forward=1 net.core.somaxconn=99 net.ipv4.conf.va.rp_filter=2
        sysctl -q -w net.ipv6.neigh.va.gc_stale_time=33 net.ipv4.tcp_rmem='4096 131072 7000000'
        nft 'add table inet foo; add chain inet foo c { type filter hook input priority 0; }'
        nft 'add rule inet foo c iif "va" tcp dport 81 accept; add set inet foo s { type ipv4_addr; elements = { 10.1.1.1 } }'
        iptables-legacy -A INPUT -i va -p tcp --dport 82 -j ACCEPT; ip6tables-legacy -A INPUT -p tcp --dport 83 -j DROP
        iptables-legacy -t nat -A POSTROUTING -o va -j MASQUERADE
        nft 'add rule inet foo c ct state established accept'
        python3 -c 'import socket; s = socket.create_server(("10.9.1.1", 900)); c = socket.create_connection(s.getsockname())'
        while ip -6 addr show tentative | grep -q .; do sleep 0.02; done
        """

    private static let views = [
        // A tap that nobody has open has no carrier, and a macvlan has that of its lower link; states follow such events late.
        "for i in $(seq 200); do ip -o link show br7 | grep -q 'state UP' && break; sleep 0.05; done; ip -o link | sed -E 's/NO-CARRIER,//; s/((tap7|tun7|mac7).*) state [A-Z]+/\\1/'"
            + " | sed 's/link.ether .* brd/brd/; s/@if[0-9]*//'",
        "ip -d link show mac7 | grep -o 'macvlan mode [a-z]*'; ip tuntap; ip -d link show br7 | grep -o 'forward_delay [0-9]*'",
        "for l in va vb mac7; do cat /proc/net/dev | grep -c $l:; ip -o link show $l | grep -o 'ether [^ ]*'; done",
        "ip -o addr",
        "ip -6 rule; ip rule",
        "(ip route show table all; ip -6 route show table all) | sed 's/ linkdown//' | sort",
        "ip -o neigh show nud permanent; ip neigh show proxy",
        "bridge fdb show | grep 02:00; bridge link show dev vb | sed -E 's/@[^:]*//'",
        "sysctl net.ipv4.ip_forward net.core.somaxconn net.ipv4.conf.va.rp_filter net.ipv6.neigh.va.gc_stale_time net.ipv4.tcp_rmem",
        "nft list ruleset",
        "(iptables-legacy-save; ip6tables-legacy-save) | grep -v '^#' | sed 's/ \\[.*//'",
        "sed -E 's/ +[0-9]+ (TIME_WAIT|CLOSE|CLOSE_WAIT|LAST_ACK)/ n \\1/; s/use=[0-9]+//' /proc/net/nf_conntrack | grep -c 10.9.1.1",
    ]

    @Test(arguments: [["--net"], ["--net", "--pid", "--mount"]])
    func `links of each kind come back, with all that is set on them`(_ kinds: [String]) throws {
        let sysfs = kinds.contains("--mount") ? "mount -t sysfs sysfs /sys\n" : "mount() { :; }\n"
        let names =
            kinds.contains("--mount")
            ? Self.links
            : Self.links.replacing(
                "$(ls /sys/class/net)", with: "$(ip -o link | sed -E 's/^[0-9]+: ([^:@]+).*/\\1/')")
        let box = try Box(kinds, inside: sysfs + names, subject: ["views"] + Self.views)
        let allow = kinds.contains("--mount") ? "{ext-mount-map: auto}" : "{}"
        for _ in 0..<2 {
            let tree = processTree(of: box.root)
            let applied = try box.crplan(["apply", try box.policy(allow: allow)])
            try #require(applied.ending == .exit(0), "\(applied.output)")
            #expect(box.isGone(tree))
            let restored = try box.restore()
            try #require(restored.ending == .exit(0), "\(restored.output)")
        }
        let verdict = try box.verdict()
        #expect(verdict.says == "pass\n", "\(verdict)")
    }

    private static let handed = """
        ip link add eth5 type ifb; ip addr add 10.7.0.1/24 dev eth5; ip link set eth5 up
        """
    private static let allowed = "{external: [\"netdev[eth5]:spare\"]}"

    /// A tree that was taken, whose link is to be handed in.
    private func takenBox() throws -> Box {
        let box = try Box(
            ["--net", "--pid"], inside: Self.handed, subject: ["views", "ip -o -4 addr show eth5"])
        let tree = processTree(of: box.root)
        let applied = try box.crplan(["apply", try box.policy(allow: Self.allowed)])
        try #require(applied.ending == .exit(0), "\(applied.output)")
        #expect(box.isGone(tree))
        try box.expect("ip link add spare type ifb")
        return box
    }

    /// Number and name, as long as the link is at home.
    private func spare(_ box: Box) -> String? {
        (try? box.expect("ip -o link show spare")).map { String($0.prefix { $0 != "<" }) }
    }

    /// By --long at every point that a restore comes to.
    @Test(.enabled(if: BuiltPrograms.isDebugBuild, "needs a debug build"))
    func `a link that was handed in comes back from a restore that is killed`() throws {
        let box = try takenBox()
        let newest = try #require(box.newest)
        let list = box.directory + "/points"
        var points = ["the network namespace is built", "processes made", "all is there", "before unlocking"]
        if BuiltPrograms.wantsLongTests {
            let whole = try box.run(
                ["/usr/bin/env", "CRPLAN_LIST_POINTS=\(list)", BuiltPrograms.crplan, "restore", newest, "-d"]
                    + ["--pidfile", box.directory + "/pid"])
            try #require(whole.ending == .exit(0), "\(whole.output)")
            points = (text(of: list) ?? "").split(separator: "\n").map(String.init)
            try box.endRestored()
            try box.expect("ip link add spare type ifb")
        }
        let before = try #require(spare(box))
        for point in points {
            #expect(try box.kill(at: point, ["restore", newest, "-d"]), "nobody came to: \(point)")
            #expect(
                poll(until: now() + 20) { spare(box) == before }, "\(point): \(spare(box) ?? "it is gone")")
        }
        let restored = try box.restore()
        try #require(restored.ending == .exit(0), "\(restored.output)")
        #expect(spare(box) == nil)
        #expect(try box.verdict().says == "pass\n")
    }

    @Test func `a link that was handed in is back when a restore has failed`() throws {
        let box = try takenBox()
        let before = try #require(spare(box))
        let newest = try #require(box.newest)
        // The script is called when all is there, and refuses.
        try write(
            "#!/bin/sh\n[ $CRTOOLS_SCRIPT_ACTION != post-restore ]\n", to: box.directory + "/script",
            mode: 0o755)
        let failed = try box.crplan([
            "restore", newest, "-d", "--action-script", box.directory + "/script",
        ])
        #expect(failed.ending == .exit(1), "\(failed.output)")
        #expect(spare(box) == before)
        let restored = try box.restore()
        try #require(restored.ending == .exit(0), "\(restored.output)")
        #expect(try box.verdict().says == "pass\n")
    }

    @Test(
        .enabled(if: BuiltPrograms.isDebugBuild, "needs a debug build"),
        arguments: ["locked", "every process was asked", "lock stays", "before the kill"])
    func `the lock inside goes when the dump is killed`(_ point: String) throws {
        let server = """
            import socket, time
            s = socket.create_server(("127.0.0.1", 900)); c = socket.create_connection(s.getsockname()); d = s.accept()[0]
            open("up", "w"); time.sleep(600)
            """
        let box = try Box(
            ["--net", "--pid"], inside: "ip link set lo up", program: "/usr/bin/python3 -c '\(server)'"
        ) { text(of: $0 + "/up") != nil }
        let policy = try box.policy(allow: "{tcp-established: true}")
        func tables(_ box: Box) throws -> String {
            try box.expect("nsenter --net=/proc/\(box.root)/ns/net nft list tables")
        }
        #expect(try tables(box) == "")
        var seen = ""
        #expect(try box.kill(at: point, ["apply", policy]) { seen = (try? tables(box)) ?? "" })
        #expect(seen.contains("inet CRIU"), "\(seen)")
        if statFields("/proc/\(box.root)/stat").first.map({ $0 != "Z" }) == true {
            #expect(poll(until: now() + 20) { (try? tables(box)) == "" }, "\((try? tables(box)) ?? "")")
            #expect(
                poll(until: now() + 20) { ["S", "R"].contains(statFields("/proc/\(box.root)/stat").first) })
        }
        // It said nothing of a table that stays.
        #expect(!box.log.contains("stays"), "\(box.log)")
    }
}
