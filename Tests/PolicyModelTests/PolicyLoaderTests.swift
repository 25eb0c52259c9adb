import Testing

@testable import PolicyModel

/// What good policies come to.
@Suite struct PolicyLoaderTests {
    @Test func `the least policy has every default`() throws {
        var policy = try loadOne(leastPolicy)
        var expected = Policy(name: "x")
        var matcher = Matcher()
        matcher.exe = Glob("/a")
        expected.select = [matcher]
        #expect(policy.mark("select[0].exe") == SourceMark(file: "p.yaml", line: 3, column: 16))
        #expect(policy.unsupportedKeys().isEmpty)
        policy.source = PolicySource()
        #expect(policy == expected)
    }

    @Test func `each allowance reads as its type`() throws {
        let policy = try loadOne(
            leastPolicy + """
                allow:
                  shell-job: true
                  ext-unix-sk:
                    - path: "/run/systemd/journal/*"
                    - {type: stream, on-restore: close}
                  evasive-devices: [/dev/null, "1:3"]
                  link-remap: true
                  ghost-limit: auto
                  tcp-established:
                    - {peer: 127.0.0.0/8, action: keep}
                    - {peer: any, peer-port: [443, 8000-8010], local-port: 22, action: close}
                  tcp-in-flight: skip
                  stdio:
                    - {kind: pipe, on-restore: "file:/var/log/solver.out"}
                    - {on-restore: null}
                  ext-pipes: null
                  file-locks: owned
                  fsnotify: drop
                  ext-mount-map: {/data: /srv/cfd/data}
                  veth: [{inner: eth0, outer: veth-cfd0, bridge: br0}]
                  external: ["dev[8/1]:data"]
                """)
        let allow = policy.allow
        var journal = UnixSocketRule()
        journal.path = Glob("/run/systemd/journal/*")
        var stream = UnixSocketRule()
        stream.type = .stream
        stream.onRestore = .close
        #expect(allow.shellJob && allow.linkRemap)
        #expect(allow.extUnixSockets == .rules([journal, stream]))
        #expect(
            allow.evasiveDevices
                == .rules([.path(try #require(Glob("/dev/null"))), .number(major: 1, minor: 3)]))
        #expect(allow.ghostLimit == .auto)
        var keep = TCPRule()
        keep.peer = IPNetwork("127.0.0.0/8")
        var close = TCPRule()
        close.peerPort = PortSet([443...443, 8000...8010])
        close.localPort = PortSet([22...22])
        close.action = .close
        #expect(allow.tcpEstablished == .rules([keep, close]))
        #expect(allow.tcpInFlight == .skip)
        #expect(allow.stdio.map(\.kind) == [.pipe, .any])
        #expect(allow.stdio.map(\.onRestore) == [.file("/var/log/solver.out"), .null])
        #expect(allow.extPipes == .null && allow.fileLocks == .owned && allow.fsnotify == .drop)
        #expect(allow.extMountMap == .map([ExternalMount(mountPoint: "/data", source: "/srv/cfd/data")]))
        #expect(allow.veth.map(\.inner) == ["eth0"] && allow.veth.map(\.bridge) == ["br0"])
        #expect(allow.external == ["dev[8/1]:data"])
        #expect(policy.mark("allow.tcp-established[1]")?.line == 14)
        #expect(policy.unsupportedKeys().isEmpty)
    }

    @Test func `a key that has no effect yet is told by name, and not at its default`() throws {
        let policy = try loadOne(
            leastPolicy + """
                dump: {after: leave-running, filesystem: append-only, timeout: 10m, compress: zstd}
                except: [{comm: "a", tty: none, container: {id: "x*"}}]
                hooks: [{name: snap, at: frozen, argv: [/bin/snap, "-x"]}]
                batch: {parallel: 1, retries: 2}
                restore: {pid-conflict: new-pid-namespace}
                """)
        let keys = policy.unsupportedKeys()
        #expect(
            keys.map(\.keyPath) == ["dump.filesystem", "dump.compress"])
        #expect(keys.map(\.mark?.line) == [4, 4])
        #expect(keys[0].text == "append-only")
    }

    @Test func `anchors, aliases and merges are followed, and a key of one's own wins`() throws {
        let policies = try load(
            """
            version: 1
            name: a
            select: &all
              - &one {comm: solver, user: root}
              - {<<: *one, user: 5}
            except: *all
            """)
        let select = policies[0].select
        #expect(select.map(\.comm) == [Glob("solver"), Glob("solver")])
        #expect(select.map(\.user) == [[.name("root")], [.number(5)]])
        #expect(policies[0].except == select)
    }

    @Test func `quoted text is text whatever it looks like`() throws {
        let policy = try loadOne("version: 1\nname: \"2024\"\nselect: [{comm: 'no', user: \"0755\"}]\n")
        #expect(policy.name == "2024")
        #expect(policy.select[0].comm == Glob("no"))
        #expect(policy.select[0].user == [.name("0755")])
    }

    @Test func `units come out as what they are`() throws {
        let policy = try loadOne(
            leastPolicy
                + "dump: {freeze-budget: 500ms, timeout: 6h}\nstore: {min-free: 3GiB}\nretention: {max-total: 2GB}\n"
        )
        #expect(policy.dump.freezeBudget == .milliseconds(500))
        #expect(policy.dump.timeout == .seconds(21_600))
        #expect(policy.store.minFree == ByteCount(3 << 30))
        #expect(policy.retention.maxTotal == ByteCount(2_000_000_000))
    }

    @Test func `every default that a table tells is the default that a policy has`() {
        var wrong: [String] = []
        func check<Root>(_ table: KeyTable<Root>) {
            let source = SourceText(name: "", bytes: [])
            for key in table.keys {
                guard let text = key.description.defaultText else { continue }
                var context = DecodingContext(source: source, isTimeZone: { _ in true })
                var root = table.blank
                let node = YAMLNode(content: .scalar(text, plain: true), place: YAMLPlace(line: 1, column: 1))
                key.read(node, "", &root, &context)
                if root != table.blank || !context.diagnostics.isEmpty {
                    wrong.append("\(table.title) \(key.description.name)")
                }
            }
        }
        check(PolicyKeys.policy)
        check(PolicyKeys.dump)
        check(PolicyKeys.hook)
        check(PolicyKeys.store)
        check(PolicyKeys.schedule)
        check(PolicyKeys.batch)
        check(PolicyKeys.restore)
        check(AllowanceKeys.allow)
        check(AllowanceKeys.unixSocket)
        check(AllowanceKeys.tcp)
        check(AllowanceKeys.stdio)
        #expect(wrong.isEmpty)
    }
}
