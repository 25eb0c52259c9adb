import Glibc
import PolicyModel
import Testing

@testable import CREngine

@Suite struct NetworkRulesTests {
    private static func findings(_ links: [NetworkFacts.Link], allow: Allowances = Allowances()) -> [Finding]
    {
        var facts = NetworkFacts()
        facts.links = links
        return NetworkRules.findings(facts, pid: PID(7), allow: allow)
    }

    private static func link(
        _ kind: NetworkLink.Kind, _ other: NetworkFacts.Place? = nil
    ) -> NetworkFacts.Link {
        NetworkFacts.Link(name: "eth0", kind: kind, other: other)
    }

    @Test func `links that are made anew are no findings`() {
        let links = [NetworkLink.Kind.loopback, .bridge, .tun, .dummy].map { Self.link($0) }
        #expect(Self.findings(links + [Self.link(.veth, .inside), Self.link(.vlan, .inside)]) == [])
    }

    @Test func `a pair outside is told of, and one to a third namespace blocks until it is named`() {
        let free = Self.findings([Self.link(.veth, .home)])
        #expect(free.map(\.code) == [.networkPair])
        #expect(free.map(\.severity) == [.info])
        #expect(
            free[0].what
                == "veth eth0, its outer end made anew at restore, under a name that the kernel gives")
        let third = Self.findings([Self.link(.veth, .elsewhere)])
        #expect(third.map(\.code) == [.networkThirdNamespace])
        #expect(third.map(\.severity) == [.block])
        var allow = Allowances()
        var rule = VethRule()
        rule.inner = "eth0"
        rule.outer = "out0"
        allow.veth = [rule]
        #expect(Self.findings([Self.link(.veth, .home)], allow: allow).map(\.severity) == [.allowed])
        #expect(Self.findings([Self.link(.veth, .elsewhere)], allow: allow).map(\.severity) == [.allowed])
    }

    @Test func `a link on one outside, and one that is not made, need a name`() {
        let lower = Self.findings([Self.link(.macvlan, .home)])
        #expect(lower.map(\.code) == [.networkLowerLink])
        #expect(lower[0].remedy == "allow: {external: [\"macvlan[eth0]:eth0\"]}")
        let other = Self.findings([Self.link(.other("bond"))])
        #expect(other.map(\.code) == [.networkLink])
        #expect(other[0].what == "link eth0 of kind bond")
        var allow = Allowances()
        allow.external = ["macvlan[eth0]:low", "netdev[eth1]:x"]
        #expect(Self.findings([Self.link(.macvlan, .home)], allow: allow).map(\.severity) == [.allowed])
        #expect(Self.findings([Self.link(.other("bond"))], allow: allow).map(\.severity) == [.block])
        allow.external = ["netdev[eth0]:x"]
        #expect(Self.findings([Self.link(.other("bond"))], allow: allow).map(\.severity) == [.allowed])
    }

    @Test(.enabled(if: geteuid() == 0, "needs root"))
    func `a namespace is looked at for what would be lost`() throws {
        let namespace = try TestNamespace(
            settingUp: """
                ip link set lo up
                ip link add in0 type veth peer name in1
                ip nexthop add id 5 blackhole
                ebtables-nft -A INPUT --among-src 00:11:22:33:44:55 --pkttype-type multicast
                """)
        let home = try TestNamespace()
        let facts = try NetworkScan.read(
            namespace.descriptor.rawValue, home: home.descriptor.rawValue)
        #expect(facts.links.map(\.name) == ["lo", "in1", "in0"])
        #expect(facts.links.map(\.other) == [nil, .inside, .inside])
        #expect(facts.notCarried == ["a nexthop object"])
        #expect(facts.foreignRule == "match pkttype in chain INPUT of table bridge filter")
        #expect(throws: NetworkError.self) { try namespace.image() }
    }

    @Test(.enabled(if: geteuid() == 0, "needs root"))
    func `the other end of a pair is found where it is`() throws {
        let one = try TestNamespace(settingUp: "ip link add left type veth peer name right")
        let two = try TestNamespace()
        try NetworkNamespaceTests.move(["right"], from: one, to: two.descriptor.rawValue)
        let third = try TestNamespace()
        func place(home: Int32, tree: [Int32]) throws -> NetworkFacts.Place? {
            try NetworkScan.read(one.descriptor.rawValue, home: home, tree: tree).links.last?.other
        }
        #expect(try place(home: two.descriptor.rawValue, tree: []) == .home)
        #expect(try place(home: third.descriptor.rawValue, tree: []) == .elsewhere)
        #expect(
            try place(home: third.descriptor.rawValue, tree: [two.descriptor.rawValue]) == .tree)
    }
}
