import PolicyModel
import Testing

@Suite struct IPNetworkTests {
    @Test func `a network contains what has its prefix`() throws {
        let network = try #require(IPNetwork("10.32.0.0/11"))
        #expect(network.contains([10, 63, 255, 1]))
        #expect(!network.contains([10, 64, 0, 0]))
        #expect(network.contains([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 40, 0, 1]))
        #expect(network.description == "10.32.0.0/11")
        let everything = try #require(IPNetwork("::/0"))
        #expect(everything.contains([UInt8](repeating: 7, count: 16)))
        #expect(!everything.contains([1, 2, 3, 4]))
    }

    @Test(arguments: [
        "10.0.0.1/8", "10.0.0.0/33", "10.0.0", "10.0.0.0/", "10.0.0.0/8/8", "::1/129", "localhost", "",
        "1.2.3.4/+8",
    ])
    func `what is not a network is refused`(text: String) {
        #expect(IPNetwork(text) == nil)
    }

    @Test func `the first rule that speaks of a connection is found by both its ends`() {
        var rule = TCPRule()
        rule.peer = IPNetwork("203.0.113.0/24")
        rule.peerPort = PortSet([443...443, 8000...8010])
        #expect(rule.matches(peer: [203, 0, 113, 9], peerPort: 8005, localPort: 1))
        #expect(!rule.matches(peer: [203, 0, 113, 9], peerPort: 80, localPort: 1))
        #expect(!rule.matches(peer: [203, 0, 114, 9], peerPort: 443, localPort: 1))
    }
}
