import Glibc
import TestSupport
import Testing

/// Rules of iptables-nft in a tree's network namespace, of which nft has no words or the wrong ones.
@Suite(
    .serialized,
    .enabled(if: BuiltPrograms.canApply, "needs root, and a crplan that has apply and restore"),
    .enabled(if: access("/usr/sbin/iptables-nft", X_OK) == 0, "needs iptables"))
struct ForeignRuleTreeTests {
    private static let carried = """
        ip link set lo up
        iptables-nft -A INPUT -p tcp --dport 80 -j ACCEPT
        iptables-nft -A INPUT -m string --algo bm --string foo -j DROP
        iptables-nft -A INPUT -p icmp -m icmp --icmp-type 8 -m comment --comment 'answers' -j ACCEPT
        iptables-nft -t mangle -A INPUT -j TOS --set-tos 4
        """
    private static let own =
        "ebtables-nft -A INPUT --among-src 00:11:22:33:44:55 --pkttype-type multicast -j mark --mark-set 1"

    @Test func `a tree comes back with the rules that iptables made`() throws {
        let look = "iptables-nft-save -t filter | grep ^-A; iptables-nft-save -t mangle | grep ^-A"
        let box = try Box(["--net"], inside: Self.carried, subject: ["views", look])
        for _ in 0..<2 {
            let tree = processTree(of: box.root)
            let applied = try box.crplan(["apply", try box.policy(allow: "{}")])
            try #require(applied.ending == .exit(0), "\(applied.output)")
            #expect(box.isGone(tree))
            let restored = try box.restore()
            try #require(restored.ending == .exit(0), "\(restored.output)")
        }
        let verdict = try box.verdict()
        #expect(verdict.says == "pass\n", "\(verdict)")
    }

    /// Twenty plans by as many processes, of which each loads what it reads rules with anew.
    @Test(arguments: [false, true]) func `every plan says the same`(_ isCarried: Bool) throws {
        let box = try Box(
            ["--net"], inside: isCarried ? Self.carried : "\(Self.carried)\n\(Self.own)", subject: ["plain"])
        let policy = try box.policy(allow: "{}")
        for _ in 0..<20 {
            let plan = try box.crplan(["plan", policy])
            #expect(plan.ending == .exit(isCarried ? 0 : 3), "\(plan.output)")
            #expect(plan.output.contains("CRP345") == !isCarried, "\(plan.output)")
        }
    }
}
