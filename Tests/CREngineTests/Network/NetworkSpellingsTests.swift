import PolicyModel
import Testing

@testable import CREngine

@Suite struct NetworkSpellingsTests {
    @Test func `policies and options name the outside, options last`() {
        var rule = VethRule()
        rule.inner = "eth0"
        rule.outer = "veth-cfd0"
        rule.bridge = "br0"
        var other = VethRule()
        other.inner = "eth1"
        let outside = NetworkOutside(
            namespace: 9, veth: [rule, other],
            external: ["veth[eth2]:out2@br2", "macvlan[mac0]:eno1", "netdev[ib0]:ib7", "mnt[x]:/y"],
            pairs: ["eth1=out1"])
        #expect(outside.pairs["eth0"] == .init(outer: "veth-cfd0", bridge: "br0"))
        #expect(outside.pairs["eth1"] == .init(outer: "out1", bridge: nil))
        #expect(outside.pairs["eth2"] == .init(outer: "out2", bridge: "br2"))
        #expect(outside.lowerLinks == ["mac0": "eno1"])
        #expect(outside.handedIn == ["ib0": "ib7"])
    }

    @Test func `what is no name of a link is refused`() {
        #expect(NetworkOutside.refusal(ofPair: "eth0=out0") == nil)
        #expect(NetworkOutside.refusal(ofPair: "eth0=out0@br0") == nil)
        #expect(NetworkOutside.refusal("macvlan[eth0]:eno1") == nil)
        #expect(NetworkOutside.refusal(ofPair: "eth0") == "is to be IN=OUT or IN=OUT@BRIDGE")
        #expect(NetworkOutside.refusal("veth[eth0]") == "is to be veth[INNER]:OUTER")
        #expect(
            NetworkOutside.refusal("veth[eth0]:a-name-that-is-too-long")
                == "has \"a-name-that-is-too-long\" where the name of a link is to be")
        #expect(NetworkOutside.refusal("veth[eth0]:out@br@x") == "is to be veth[INNER]:OUTER@BRIDGE")
        #expect(NetworkOutside.refusal("tty[1:2]") == "is none of criu's spellings")
    }
}
