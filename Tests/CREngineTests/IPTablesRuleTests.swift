import Testing

@testable import CREngine

struct IPTablesRuleTests {
    private let ends = ConnectionLock.Ends(
        local: InetEndpoint(address: [10, 0, 0, 2], port: 6),
        remote: InetEndpoint(address: [10, 0, 0, 1], port: 5))

    @Test func `what iptables lists is what holds a connection`() {
        let line =
            "-A INPUT -s 10.0.0.1/32 -d 10.0.0.2/32 -p tcp -m mark ! --mark 0xc114 -m tcp --sport 5 --dport 6 -j DROP"
        #expect(IPTablesRule(listing: line) == IPTablesRule.both(ends)[0])
        let out =
            "-A OUTPUT -s 10.0.0.2/32 -d 10.0.0.1/32 -p tcp -m mark ! --mark 0xc114 -m tcp --sport 6 --dport 5 -j DROP"
        #expect(IPTablesRule(listing: out) == IPTablesRule.both(ends)[1])
        let six =
            "-A INPUT -s ::1/128 -d fe80::1/128 -p tcp -m mark ! --mark 0xc114 -m tcp --sport 5 --dport 6 -j DROP"
        #expect(IPTablesRule(listing: six)?.to.host == "fe80::1")
    }

    @Test(arguments: [
        "-P INPUT ACCEPT", "", "-A INPUT -j DROP",
        "-A INPUT -s 10.0.0.1/32 -d 10.0.0.2/32 -p tcp -m tcp --sport 5 --dport 6 -j DROP",
        "-A INPUT -s 10.0.0.0/24 -d 10.0.0.2/32 -p tcp -m mark ! --mark 0xc114 -m tcp --sport 5 --dport 6 -j DROP",
        "-A INPUT -s 10.0.0.1/32 -d 10.0.0.2/32 -p tcp -m mark ! --mark 0xc114 -m tcp --sport 5 --dport 6 -j ACCEPT",
        "-A INPUT -s 10.0.0.1/32 -d 10.0.0.2/32 -p tcp -m mark ! --mark 0xc114 -m tcp --sport 5:9 --dport 6 -j DROP",
        "-A FORWARD -s 10.0.0.1/32 -d 10.0.0.2/32 -p tcp -m mark ! --mark 0xc114 -m tcp --sport 5 --dport 6 -j DROP",
    ])
    func `any other rule is none of ours`(_ line: String) {
        #expect(IPTablesRule(listing: line) == nil)
    }

    @Test func `an endpoint is read as it is written`() {
        for text in ["10.0.0.1:80", "[::1]:80", "[fe80::2]:65535"] {
            #expect(InetEndpoint(text)?.description == text)
        }
        for text in ["10.0.0.1", "10.0.0.300:5", "[::1]:70000", "", ":"] {
            #expect(InetEndpoint(text) == nil)
        }
    }
}
