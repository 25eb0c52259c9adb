import Glibc
import Testing

@testable import CREngine

/// Rules of iptables-nft with parts that nft cannot say, or says wrongly.
@Suite(
    .serialized, .enabled(if: geteuid() == 0, "needs root"),
    .enabled(if: access("/usr/sbin/iptables-nft", X_OK) == 0, "needs iptables"))
struct ForeignRulesTests {
    private static let rules = """
        iptables-nft -N mine
        iptables-nft -A INPUT -p tcp --dport 80 -j ACCEPT
        iptables-nft -A INPUT -m string --algo bm --string foo -j DROP
        iptables-nft -A INPUT -m u32 --u32 '0&0xFF=0' -j mine
        iptables-nft -A INPUT -p tcp --dport 81 -j ACCEPT
        iptables-nft -A INPUT -p icmp -m icmp --icmp-type 8 -j ACCEPT
        iptables-nft -A INPUT -p tcp -m multiport --dports 1:5,9 -m comment --comment 'a # handle 3' -j mine
        iptables-nft -A INPUT ! -p udp -m conntrack --ctstate NEW -m connlimit --connlimit-above 3 -j REJECT
        iptables-nft -A mine -p udp --dport 82 -j RETURN
        iptables-nft -t mangle -A INPUT -j TTL --ttl-set 5
        iptables-nft -t mangle -A INPUT -j TOS --set-tos 4
        ip6tables-nft -A INPUT -m string --algo kmp --string bar -j DROP
        ip6tables-nft -A INPUT -p icmpv6 -m icmp6 --icmpv6-type 128 -j ACCEPT
        nft 'add table inet own; add chain inet own c { type filter hook input priority 0; }'
        nft 'add rule inet own c tcp dport { 7, 9 } accept comment "x # handle 2"'
        """
    /// Rules alone, and in their order.
    private static let look = """
        for program in iptables ip6tables; do
            $program-nft-save -t filter; $program-nft-save -t mangle
        done | grep '^-A'; nft list table inet own
        """

    @Test func `rules come back as iptables knew them`() throws {
        let source = try TestNamespace(settingUp: Self.rules)
        let image = try source.image()
        #expect(image.details.foreignRules.count == 9)
        let directory = try TemporaryDirectory()
        let fd = try directory.open()
        try image.write(namespace: 9, to: fd)
        let read = try #require(try NetworkNamespaceImage.read(namespace: 9, in: fd, .twoWords))
        #expect(read.details.foreignRules == image.details.foreignRules)
        let target = try TestNamespace()
        _ = try TestNamespace().restore(read, into: target)
        let before = try source.run(Self.look)
        #expect(before.split(separator: "\n").count { $0.hasPrefix("-A") } == 12)
        #expect(try target.run(Self.look) == before)
        // And once more from the copy.
        let second = try target.image()
        let third = try TestNamespace()
        _ = try TestNamespace().restore(second, into: third)
        #expect(try third.run(Self.look) == before)
    }

    @Test func `looks of one process tell the same`() throws {
        let source = try TestNamespace(settingUp: Self.rules)
        let first = try source.image()
        for _ in 0..<20 {
            let image = try source.image()
            #expect(image.details.foreignRules == first.details.foreignRules)
            #expect(try ForeignRules.split(image.nftables, image.rules(\.foreignRules)).places.count == 9)
        }
    }

    @Test func `a rule with a set of its own is told, each time`() throws {
        let source = try TestNamespace(
            settingUp:
                "ebtables-nft -A INPUT --among-src 00:11:22:33:44:55 --pkttype-type multicast -j mark --mark-set 1"
        )
        for _ in 0..<20 {
            let facts = try NetworkScan.read(source.descriptor.rawValue, home: source.descriptor.rawValue)
            #expect(facts.foreignRule == "match pkttype in chain INPUT of table bridge filter")
            #expect(throws: NetworkError.self) { try source.image() }
        }
    }

    @Test func `what nft does not list is an error, whatever its words are`() throws {
        let source = try TestNamespace(settingUp: Self.rules)
        let image = try source.image()
        let rules = image.rules(\.foreignRules)
        let translated = image.nftables.split(separator: "\n", omittingEmptySubsequences: false).map {
            $0.contains("xt match string")
                ? "\t\tcounter packets 0 bytes 0 drop # handle \($0.split(separator: " ").last ?? "")" : $0
        }.joined(separator: "\n")
        #expect(try ForeignRules.split(translated, rules).places.count == 9)
        #expect(try !ForeignRules.split(translated, rules).list.contains("bytes 0 drop"))
        let missing = image.nftables.split(separator: "\n").filter { !$0.contains("xt match u32") }
        #expect(
            throws: NetworkError(
                "network namespace",
                "nft does not list its rule with match u32 in chain INPUT of table ip filter")
        ) {
            try ForeignRules.split(missing.joined(separator: "\n"), rules)
        }
    }
}

extension NetworkNamespaceImage {
    fileprivate func rules(_ rows: KeyPath<NetworkDetailsImage, [NetlinkMessage]>) -> [FilterRule] {
        details[keyPath: rows].compactMap { FilterRule($0) }
    }
}
