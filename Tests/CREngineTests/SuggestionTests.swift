import PolicyModel
import Testing

@testable import CREngine

/// The least that makes trees ready, on snapshots made by hand.
@Suite struct SuggestionTests {
    private func suggest(_ snapshot: Snapshot, _ policy: Policy = Policy(name: "p")) -> Suggestion {
        Suggestion(policy, [snapshot], protected: [])
    }

    private func ghost(_ snapshot: inout Snapshot, fd: Int32, blocks: UInt64) {
        addFile(
            &snapshot, fd: fd, link: "/tmp/gone\(fd)", mode: 0o100600, inode: UInt64(fd) + 400, reach: .gone
        ) {
            $0.facts?.links = 0
            $0.facts?.blocks = blocks
        }
    }

    @Test func `a tree that is ready needs nothing`() {
        let suggestion = suggest(ordinarySnapshot())
        #expect(suggestion.items.isEmpty && suggestion.remaining.isEmpty)
    }

    @Test func `one limit serves all deleted files, and the policy with it is ready`() {
        var snapshot = ordinarySnapshot()
        for (fd, blocks) in [(3, 4096), (4, 10000), (5, 2000)] as [(Int32, UInt64)] {
            ghost(&snapshot, fd: fd, blocks: blocks)
        }
        let suggestion = suggest(snapshot)
        #expect(suggestion.remaining.isEmpty)
        #expect(suggestion.items.map(\.change) == [.ghostLimit(ByteCount(10000 * 512))])
        #expect(suggestion.items.first?.findings.map(\.code) == [.ghostTooLarge, .ghostTooLarge])
        #expect(suggestion.items.first?.change.text == "5000KiB")
        let after = DumpPlanner.findings(suggestion.policy, snapshot, protected: [])
        #expect(!after.contains { $0.severity == .block })
    }

    @Test func `what no allowance lets pass remains, and nothing needless is suggested`() {
        var snapshot = ordinarySnapshot()
        addFile(&snapshot, fd: 7, link: "anon_inode:[io_uring]", mode: 0, reach: .notAPath)
        ghost(&snapshot, fd: 3, blocks: 4096)
        let suggestion = suggest(snapshot)
        #expect(suggestion.items.map(\.change.key) == ["ghost-limit"])
        #expect(suggestion.remaining.map(\.code) == [.ioURing])
    }

    @Test func `rules go before the first that speaks of the same thing`() throws {
        var rules = [TCPRule(), TCPRule(), TCPRule()]
        rules[0].peer = IPNetwork("127.0.0.0/8")
        rules[1].peer = IPNetwork("203.0.113.0/24")
        rules[1].action = .deny
        rules[2].action = .close
        var allow = Allowances()
        allow.tcpEstablished = .rules(rules)
        var rule = TCPRule()
        rule.peer = IPNetwork("203.0.113.9")
        rule.peerPort = PortSet([8443...8443])
        var fit = AllowanceChange.RuleFit()
        fit.tcp = { $0.matches(peer: [203, 0, 113, 9], peerPort: 8443, localPort: 40122) }
        #expect(AllowanceChange.tcpEstablished(rule).apply(to: &allow, before: fit) == 1)
        #expect(allow.tcpEstablished == .rules([rules[0], rule, rules[1], rules[2]]))
        #expect(
            AllowanceChange.tcpEstablished(rule).text
                == #"{peer: "203.0.113.9", peer-port: 8443, action: keep}"#)
    }

    /// Each change as text in a policy is read as the change made it.
    @Test func `the text of a change means the change`() throws {
        var unix = UnixSocketRule()
        unix.path = Glob(literally: "/run/a [b]*/socket")
        unix.type = .stream
        unix.onRestore = .close
        var tcp = TCPRule()
        tcp.peer = IPNetwork("2001:db8::1")
        tcp.localPort = PortSet([22...22, 8000...8010])
        tcp.action = .close
        var stdio = StdioRule()
        stdio.kind = .pipe
        stdio.onRestore = .file("/var/log/a b")
        var null = StdioRule()
        null.kind = .tty
        let device = try #require(Glob(literally: "/dev/odd*"))
        let changes: [AllowanceChange] = [
            .shellJob, .unixSocket(unix), .device(.path(device)), .device(.number(major: 1, minor: 3)),
            .linkRemap, .ghostLimit(ByteCount(5000 << 10)), .tcpEstablished(tcp), .tcpInFlight, .stdio(stdio),
            .stdio(null), .extPipes(.inherit), .fileLocks(.owned), .fsnotify,
        ]
        for change in changes {
            let value = change.isRule ? "[\(change.text)]" : change.text
            let text = "version: 1\nname: a\nselect: [{pid: 7}]\nallow: {\(change.key): \(value)}\n"
            let policy = try #require(
                try PolicyLoader().load([PolicyFile(name: "a.yaml", bytes: Array(text.utf8))]).first)
            var allow = Allowances()
            change.apply(to: &allow)
            #expect(policy.allow == allow, "\(text)")
        }
    }
}
