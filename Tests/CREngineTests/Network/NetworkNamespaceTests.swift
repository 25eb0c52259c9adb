import Foundation
import Glibc
import Testing

@testable import CREngine

@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root"))
struct NetworkNamespaceTests {
    private static let rich = """
        ip link set lo up
        ip link add veth0 type veth peer name veth1
        ip link add br0 type bridge forward_delay 300 ageing_time 12300
        ip link set veth1 master br0
        ip link set dev veth1 type bridge_slave hairpin on isolated on
        ip tuntap add dev tap7 mode tap user 12 pi
        ip link add link br0 name mac0 type macvlan mode bridge
        ip link set veth0 mtu 1400 txqueuelen 77 alias inner
        ip link property add dev veth0 altname an-altogether-longer-name
        ip addr add 10.9.1.1/24 dev veth0
        ip addr add 10.9.1.3/24 dev veth0
        ip addr add fd00:9::1/64 dev veth0 nodad
        ip addr add 192.0.2.1 peer 192.0.2.2/32 dev veth0
        ip link set veth0 up
        ip link set veth1 up
        ip link set br0 up
        ip route add 10.77.0.0/16 via 10.9.1.2
        ip route add 10.78.0.0/16 via 10.9.1.2 table 77 metric 5
        ip route add 10.79.0.0/16 nexthop via 10.9.1.2 weight 2 nexthop via 10.9.1.4
        ip route add blackhole 10.80.0.0/16
        ip route add default via 10.77.0.9 onlink dev veth0 mtu 1300
        ip route add fd00:77::/32 via fd00:9::2
        ip route del 10.9.1.0/24
        ip rule add from 10.3.0.0/16 lookup 77 prio 1000
        ip -6 rule add from fd00:3::/32 lookup 77 prio 1001
        ip neigh add 10.9.1.2 lladdr 02:00:00:00:00:77 dev veth0 nud permanent
        ip neigh add proxy 10.9.1.9 dev veth0
        bridge fdb add 02:00:00:00:00:99 dev veth1 master static
        sysctl -q -w net.ipv4.ip_forward=1 net.core.somaxconn=99 net.ipv4.ip_unprivileged_port_start=80
        sysctl -q -w net.ipv4.conf.veth0.rp_filter=2 net.ipv6.conf.veth0.accept_ra=0
        sysctl -q -w net.ipv6.neigh.veth0.gc_stale_time=33 net.ipv4.tcp_rmem='4096 131072 7000000'
        nft 'add table inet foo; add chain inet foo c { type filter hook input priority 0; }'
        nft 'add rule inet foo c iif "veth0" tcp dport 81 accept'
        iptables-legacy -A INPUT -i veth0 -p tcp --dport 82 -j ACCEPT
        ip6tables-legacy -A INPUT -p tcp --dport 83 -j DROP
        """

    private static func expectSame(_ one: NetworkNamespaceImage, _ two: NetworkNamespaceImage) {
        let (one, two) = (one.lasting, two.lasting)
        #expect(one.links == two.links)
        #expect(one.settings == two.settings)
        #expect(one.addresses == two.addresses)
        #expect(one.routes == two.routes)
        #expect(one.routes6 == two.routes6)
        #expect(one.rules == two.rules)
        #expect(one.nftables == two.nftables)
        // Comments tell the hour, and policies what has passed them.
        for (left, right) in [(one.iptables, two.iptables), (one.ip6tables, two.ip6tables)] {
            func rules(_ text: String) -> [Substring] {
                text.split(separator: "\n").filter { !$0.hasPrefix("#") }.map {
                    $0.hasPrefix(":") ? $0.prefix { $0 != "[" } : $0
                }
            }
            #expect(rules(left) == rules(right))
        }
        #expect(one.details.links == two.details.links)
        #expect(one.details.neighbours == two.details.neighbours)
        #expect(one.details.rules6 == two.details.rules6)
        let settings = Set(two.details.settings.map { "\($0.path) = \($0.value)" })
        #expect(
            one.details.settings.map { "\($0.path) = \($0.value)" }.filter { !settings.contains($0) } == [])
    }

    @Test func `a namespace comes back with all that it held`() throws {
        let source = try TestNamespace(settingUp: Self.rich + "\n" + TestNamespace.untilSettled)
        let image = try source.image()
        #expect(image.links.map(\.name) == ["lo", "veth1", "veth0", "br0", "tap7", "mac0"])
        #expect(image.nftables.contains("dport 81"))
        #expect(image.iptables.contains("--dport 82"))
        let home = try TestNamespace()
        let target = try TestNamespace()
        #expect(try home.restore(image, into: target) == [])
        Self.expectSame(image, try target.image())
        #expect(try target.run("ip -6 addr show tentative") == "")
        #expect(try target.run("nft list tables") == "table inet foo\n")
    }

    @Test func `reading changes nothing`() throws {
        let source = try TestNamespace(settingUp: Self.rich)
        try source.run(TestNamespace.untilSettled)
        let look =
            "ip -br addr; ip route show table all; ip rule; nft list ruleset; iptables-legacy-save | grep -v '#'"
        let before = try source.run(look)
        _ = try source.image()
        #expect(try source.run(look) == before)
    }

    @Test func `an image set holds a namespace, and damage is found`() throws {
        let source = try TestNamespace(settingUp: Self.rich)
        let image = try source.image()
        let directory = try TemporaryDirectory()
        let fd = try directory.open()
        try image.write(namespace: 9, to: fd)
        let read = try #require(try NetworkNamespaceImage.read(namespace: 9, in: fd, .twoWords))
        Self.expectSame(image, read)
        let isSame = read == image
        #expect(isSame)
        #expect(try NetworkNamespaceImage.read(namespace: 10, in: fd, .twoWords) == nil)
        for name in try directory.names() where name.hasSuffix(".img") {
            let whole = try directory.contents(name)
            for length in stride(from: 0, to: whole.count, by: max(1, whole.count / 13)) {
                try directory.write(Array(whole[..<length]), to: name)
                _ = try? NetworkNamespaceImage.read(namespace: 9, in: fd, .twoWords)
            }
            try directory.write(whole, to: name)
        }
    }

    @Test func `the outer end of a pair gets the name and the bridge that are asked for`() throws {
        let source = try TestNamespace()
        let first = try TestNamespace(
            settingUp: """
                ip link add inner0 type veth peer name outer0
                ip link add inner1 type veth peer name outer1
                """)
        let descriptor = source.descriptor.rawValue
        try first.run("ip link set outer0 up; ip link set outer1 up")
        try Self.move(["inner0", "inner1"], from: first, to: descriptor)
        try source.run("ip addr add 10.1.1.2/24 dev inner0; ip link set inner0 up")
        try source.run(TestNamespace.untilSettled)
        let image = try source.image()
        #expect(image.links.map(\.peerNamespace) == [9, nil, nil])
        let home = try TestNamespace(settingUp: "ip link add br9 type bridge; ip link set br9 up")
        var outside = NetworkOutside(namespace: 9)
        outside.pairs["inner0"] = NetworkOutside.Pair(outer: "out9", bridge: "br9")
        let target = try TestNamespace()
        let ends = try home.restore(image, outside: outside, into: target)
        #expect(ends.map(\.name) == ["out9", "veth0"])
        #expect(ends.map(\.isNamedByKernel) == [false, true])
        #expect(try home.run("ip -o link show out9").contains("master br9"))
        #expect(try home.run("ip -o link show out9").contains(",UP"))
        Self.expectSame(image, try target.image())
        try home.run("ip addr add 10.1.1.1/24 dev br9")
        #expect(try home.reaches("10.1.1.2", within: 20))
        #expect {
            _ = try home.restore(image, outside: outside, into: try TestNamespace())
        } throws: {
            "\($0)".contains("there is a link out9 already")
        }
    }

    static func move(
        _ names: [String], from source: borrowing TestNamespace, to target: Int32
    ) throws {
        try NetworkNamespace.visit(source.descriptor.rawValue) { () throws(NetworkError) -> Void in
            var connection = try NetlinkConnection.open(.route)
            for name in names {
                do throws(NetlinkConnection.Refusal) {
                    try connection.perform(
                        RouteNetlink.link(
                            RouteNetlink.setLink, index: UInt32(if_nametoindex(name)),
                            [NetlinkAttribute(NetworkLink.Attribute.namespaceDescriptor, target)]))
                } catch {
                    throw error.about(name, "cannot be moved")
                }
            }
        }
    }

    @Test func `a pair between two namespaces of a tree comes back between them`() throws {
        let one = try TestNamespace(settingUp: "ip link add left type veth peer name right")
        let two = try TestNamespace()
        try Self.move(["right"], from: one, to: two.descriptor.rawValue)
        try one.run("ip link set left up; ip addr add 10.1.1.1/24 dev left")
        try two.run("ip link set right up; ip addr add 10.1.1.2/24 dev right")
        let both = [
            NetworkReader.Neighbour(descriptor: one.descriptor.rawValue, number: 9),
            NetworkReader.Neighbour(descriptor: two.descriptor.rawValue, number: 10),
        ]
        let first = try one.image(number: 9, neighbours: both)
        let second = try two.image(number: 10, neighbours: both)
        #expect(first.links.last?.peerNamespace == 10)
        #expect(second.links.last?.peerNamespace == 9)
        let home = try TestNamespace()
        let target = try TestNamespace()
        let other = try TestNamespace()
        let others: [UInt32: NetworkOutside.OtherNamespace] = [
            9: .init(descriptor: target.descriptor.rawValue, links: first.links),
            10: .init(descriptor: other.descriptor.rawValue, links: second.links),
        ]
        #expect(
            try home.restore(first, outside: NetworkOutside(namespace: 9), others: others, into: target) == []
        )
        #expect(
            try home.restore(second, outside: NetworkOutside(namespace: 10), others: others, into: other)
                == [])
        #expect(try target.reaches("10.1.1.2", within: 20))
    }

    @Test func `what stands on a link outside, and what is handed in, come from where we are`() throws {
        let source = try TestNamespace(
            settingUp: "ip link add link lo name mac0 type macvlan 2>/dev/null || true")
        var image = try source.image()
        image.links.removeAll { $0.name != "lo" }
        var macvlan = NetworkLinkImage(kind: .macvlan, index: 7, mtu: 1500, flags: 0x1003, name: "mac0")
        macvlan.macvlan = .init(mode: 4, flags: nil)
        macvlan.peerIndex = 3
        var given = NetworkLinkImage(kind: .other, index: 8, mtu: 1480, flags: 0x1003, name: "eth0")
        given.address = [2, 0, 0, 0, 0, 8]
        image.links += [macvlan, given]
        let home = try TestNamespace(
            settingUp: "ip link add low type bridge; ip link add spare type bridge")
        #expect {
            _ = try home.restore(image, into: try TestNamespace())
        } throws: {
            "\($0)".contains("--external macvlan[mac0]:NAME")
        }
        var outside = NetworkOutside(namespace: 9)
        outside.lowerLinks["mac0"] = "low"
        #expect {
            _ = try home.restore(image, outside: outside, into: try TestNamespace())
        } throws: {
            "\($0)".contains("--external netdev[eth0]:NAME")
        }
        // A bridge does not move; one end of a pair does.
        try home.run("ip link add phys type veth peer name other")
        outside.handedIn["eth0"] = "phys"
        let target = try TestNamespace()
        _ = try home.restore(image, outside: outside, into: target)
        let links = try target.run("ip -o link")
        #expect(links.contains("7: mac0@"))
        #expect(links.contains("8: eth0@"))
        #expect(links.contains("02:00:00:00:00:08"))
        #expect(try home.run("ip -o link").contains("other@"))
    }

    @Test func `a locked namespace is still until its lock goes`() throws {
        let namespace = try TestNamespace(settingUp: "ip link set lo up")
        let table = ConnectionLock.tableName(runID: TestNamespace.runID)
        var lock: NamespaceLock? = try NamespaceLock.take(namespace.descriptor.rawValue, table: table)
        #expect(try namespace.reaches("127.0.0.1", within: 1) == false)
        try lock?.persist()
        lock = nil
        #expect(try namespace.reaches("127.0.0.1", within: 1) == false)
        #expect(try namespace.run("nft list ruleset").contains("table inet \(table)"))
        // As it is left in an image; who restores takes it away.
        let image = try namespace.image()
        let home = try TestNamespace()
        let target = try TestNamespace()
        _ = try home.restore(image, into: target)
        #expect(try target.run("nft list ruleset") == "")
        #expect(try target.reaches("127.0.0.1", within: 20))
        lock = try NamespaceLock.take(target.descriptor.rawValue, table: table)
        withExtendedLifetime(lock) {}
        lock = nil
        #expect(try target.reaches("127.0.0.1", within: 20))
    }

    @Test func `tracked connections come back`() throws {
        let source = try TestNamespace(
            settingUp: """
                ip link set lo up
                nft 'add table ip t; add chain ip t c { type filter hook output priority 0; }'
                nft 'add rule ip t c ct state established accept'
                bash -c 'echo >/dev/udp/127.0.0.1/9'
                """)
        let image = try source.image()
        #expect(image.tracked.count == 1)
        let target = try TestNamespace()
        _ = try TestNamespace().restore(image, into: target)
        let count = try target.run("cat /proc/sys/net/netfilter/nf_conntrack_count")
        #expect(count == "1\n")
    }
}
