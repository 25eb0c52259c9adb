import PolicyModel
import Testing

@testable import CREngine

/// What the rules say of tables of mounts.
@Suite struct MountRulesTests {
    static let host = """
        22 27 0:21 / /proc rw,relatime - proc proc rw
        23 27 0:22 / /sys rw,relatime - sysfs sysfs rw
        24 27 0:6 / /dev rw,relatime - devtmpfs devtmpfs rw,mode=755
        26 24 0:24 / /dev/pts rw,relatime - devpts devpts rw,mode=600,ptmxmode=000
        27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
        30 27 0:27 / /run rw,relatime shared:5 - tmpfs run rw
        """
    static let sandbox = """
        93 42 254:0 /srv/root / rw,relatime - ext4 /dev/vda rw,discard
        94 93 254:0 /srv/data /data rw,relatime - ext4 /dev/vda rw,discard
        95 93 0:51 / /proc rw,relatime - proc proc rw
        54 93 0:50 / /tmp ro,nosuid,relatime - tmpfs tmp rw,size=1024k
        57 93 0:54 / /dev/pts rw,relatime - devpts devpts rw,gid=5,mode=620,ptmxmode=666
        60 93 0:50 / /run/b rw,relatime shared:11 - tmpfs tmp rw,size=1024k
        61 93 0:50 / /run/c rw,relatime shared:12 master:11 - tmpfs tmp rw,size=1024k
        """

    static func facts(_ text: String) throws -> MountNamespaceFacts {
        MountNamespaceFacts(
            namespace: 1, pid: PID(7), rows: try MountRow.parse(Array(text.utf8)),
            ownRows: try MountRow.parse(Array(host.utf8)))
    }

    private func findings(_ text: String, _ allow: MountAllowances = MountAllowances()) throws -> [Finding] {
        MountRules.findings(try Self.facts(text), allow)
    }

    private func findings(adding row: String, _ allow: MountAllowances = MountAllowances()) throws
        -> [Finding]
    {
        var allow = allow
        allow.external["/data"] = .init(key: "D", source: nil)
        return try findings(Self.sandbox + "\n" + row, allow).filter { $0.object.path != "/data" }
    }

    @Test func `a bind mount from outside needs a mapping, and where it lies now is shown`() throws {
        let found = try findings(Self.sandbox)
        #expect(found.map(\.code) == [.mountExternal])
        #expect(found.first?.severity == .block)
        #expect(found.first?.object.path == "/data")
        #expect(found.first?.what == "mount 94 at /data (ext4 /srv/data)")
        #expect(found.first?.remedy == "allow: {ext-mount-map: {/data: /srv/data}}")
    }

    @Test func `a mapped or detected bind mount is an allowed finding`() throws {
        var allow = MountAllowances()
        allow.external["/data"] = .init(key: "DATA", source: "/elsewhere")
        #expect(try findings(Self.sandbox, allow).map(\.severity) == [.allowed])
        var auto = MountAllowances()
        auto.detects = true
        let found = try findings(Self.sandbox, auto)
        #expect(found.map(\.severity) == [.allowed])
        #expect(found.first?.what.hasSuffix(", from /srv/data") == true)
    }

    @Test func `the same binds of one file system are no findings`() throws {
        #expect(try findings(adding: "96 93 0:50 /x /x rw,relatime - tmpfs tmp rw,size=1024k") == [])
    }

    @Test(arguments: [
        ("96 93 0:60 / /x rw - fuse.sshfs me@there rw", FindingCode.mountServed),
        ("96 93 0:60 / /x rw - autofs systemd-1 rw,fd=29", .mountServed),
        ("96 93 0:60 /part /x rw - tmpfs x rw", .mountRootMissing),
        ("96 93 0:60 /part /x rw - proc x rw", .mountRootMissing),
        ("96 93 254:0 /gone//deleted /x rw - ext4 /dev/vda rw", .mountDeleted),
        ("96 93 8:1 / /x rw - xfs /dev/sda1 rw", .mountExternal),
        ("96 93 0:60 / /x rw - configfs x rw", .mountUnsupported),
        ("96 93 0:50 / /x rw master:77 - tmpfs tmp rw,size=1024k", .mountSharing),
        ("96 93 0:50 / /x rw master:5 - tmpfs tmp rw,size=1024k", .mountMaster),
        ("96 93 0:50 / /x rw shared:5 - tmpfs tmp rw,size=1024k", .mountPeers),
        ("96 93 0:60 / / rw - tmpfs x rw", .mountCovered),
        ("96 77 0:60 / /x rw - tmpfs x rw", .mountTree),
    ])
    func `what cannot be made again blocks`(row: String, code: FindingCode) throws {
        let found = try findings(adding: row)
        #expect(found.map(\.code) == [code])
        #expect(found.allSatisfy { $0.severity == .block })
    }

    @Test func `files in memory of the outside are not copied unless nobody reaches them there`() throws {
        let row = "96 93 0:27 / /run rw,relatime - tmpfs run rw"
        let found = try findings(adding: row)
        #expect(found.map(\.code) == [.mountCopied])
        #expect(found.first?.severity == .block)
        #expect(found.first?.remedy == "allow: {ext-mount-map: auto}")
        var facts = try Self.facts(Self.sandbox + "\n" + row)
        facts.ownRows += try MountRow.parse(Array("99 30 0:70 / /run rw - tmpfs over rw".utf8))
        let covered = MountRules.findings(facts, MountAllowances()).filter { $0.code == .mountCopied }
        #expect(covered.map(\.severity) == [.warn])
        #expect(covered.first?.what.contains("covered outside") == true)
    }

    @Test func `what lies over another mount is seen, and what lies under it is not`() throws {
        let table =
            Self.host + """

                31 24 0:23 / /dev/shm rw - tmpfs one rw
                32 31 0:27 / /dev/shm rw - tmpfs two rw
                33 27 0:28 / /a/b rw - tmpfs deep rw
                34 27 0:29 / /a rw - tmpfs over rw
                """
        let own = try MountRow.parse(Array(table.utf8))
        func place(_ id: Int32) -> String? {
            own.first { $0.id == id }.flatMap { MountSurvey.pathOutside(of: $0, own) }
        }
        #expect(place(31) == nil && place(33) == nil)
        #expect(place(34) == "/a")
        let two = try MountRow.parse(Array("90 80 0:27 /in /x rw - tmpfs two rw".utf8))
        #expect(MountSurvey.pathOutside(of: two[0], own.filter { $0.id != 30 }) == "/dev/shm/in")
    }

    @Test func `where we see a path of the tree`() throws {
        var facts = try Self.facts(Self.sandbox)
        #expect(facts.pathOutside(of: "/data/in/file") == "/srv/data/in/file")
        #expect(facts.pathOutside(of: "/data") == "/srv/data")
        #expect(facts.pathOutside(of: "/etc/file") == "/srv/root/etc/file")
        #expect(facts.pathOutside(of: "/tmp/file") == nil)
        facts.rows += try MountRow.parse(Array("97 94 0:71 / /data/in rw - tmpfs own rw".utf8))
        #expect(facts.pathOutside(of: "/data/in/file") == nil)
    }

    @Test func `a slave of the outside is allowed where it comes from outside`() throws {
        var allow = MountAllowances()
        allow.detects = true
        allow.acceptsMasters = true
        let row = "96 93 0:27 / /run rw,relatime master:5 - tmpfs run rw"
        #expect(try findings(adding: row, allow).allSatisfy { $0.severity == .allowed })
        allow.acceptsMasters = false
        #expect(
            try findings(adding: row, allow).contains { $0.code == .mountMaster && $0.severity == .block })
    }

    @Test func `what is left out takes what is mounted in it along`() throws {
        var allow = MountAllowances()
        allow.skipped = ["/x"]
        let rows = "96 93 0:60 / /x rw - fuse.a b rw\n97 96 0:61 / /x/y rw - fuse.a b rw"
        #expect(try findings(adding: rows, allow).map(\.code) == [.mountSkipped, .mountSkipped])
    }

    @Test func `a named file system and a named device are made anew`() throws {
        var allow = MountAllowances()
        allow.fileSystems = ["configfs"]
        allow.devices = ["8:1": "disk"]
        let rows = "96 93 0:60 / /x rw - configfs x rw\n97 93 8:1 / /y rw - xfs /dev/sda1 rw"
        #expect(try findings(adding: rows, allow).map(\.severity) == [.allowed, .allowed])
    }

    @Test func `entries of external that speak of mounts are understood`() {
        var allow = Allowances()
        allow.external = ["mnt[/a/]:K", "mnt[]:ms", "skip-mnt[/s]", "enable-fs[nfs]", "dev[8/1]:data"]
        let mounts = MountAllowances(allow)
        #expect(mounts.external == ["/a": .init(key: "K", source: nil)])
        #expect(mounts.detects && mounts.acceptsMasters && mounts.acceptsPeers)
        #expect(
            mounts.skipped == ["/s"] && mounts.fileSystems == ["nfs"] && mounts.devices == ["8:1": "data"])
        #expect(MountResource("mnt[]:x") == nil && MountResource("mnt[rel]:k") == nil)
        #expect(MountResource.place(ofMount: "mnt[K]:/p").map { [$0.key, $0.path] } == ["K", "/p"])
    }
}
