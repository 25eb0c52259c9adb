import CREngine
import Glibc
import TestSupport
import Testing

/// Groups that are gone at a restore, or are there, and what each mode of --manage-cgroups makes of that.
@Suite(
    .serialized,
    .enabled(if: BuiltPrograms.canCheckpoint, "needs root, and a crplan that has dump and restore"))
struct CgroupTests {
    /// The directories of the subject's groups, wherever hierarchies are mounted.
    static func groups(of pid: Int32) -> [String] {
        let mounts = (text(of: "/proc/self/mounts") ?? "").split(separator: "\n").filter {
            $0.contains(" cgroup ") || $0.contains(" cgroup2 ")
        }
        return mounts.compactMap { $0.split(separator: " ").dropFirst().first }.map {
            "\($0)/crplan-test-\(pid)"
        }.filter { access($0, F_OK) == 0 }
    }

    static func removeGroups(of pid: Int32) {
        _ = poll(until: now() + 10) {
            for group in groups(of: pid) {
                _ = rmdir(group + "/inner")
                _ = rmdir(group)
            }
            return groups(of: pid).isEmpty
        }
    }

    /// Whether a restore in this mode succeeds where the groups are gone, and where they are there.
    struct Row: CustomTestStringConvertible, Sendable {
        var mode: String
        var whereGone: Bool
        var whereThere: Bool
        var testDescription: String { mode }
    }

    static let rows = [
        Row(mode: "", whereGone: true, whereThere: true),
        Row(mode: "=none", whereGone: false, whereThere: true),
        Row(mode: "=props", whereGone: false, whereThere: true),
        Row(mode: "=soft", whereGone: true, whereThere: true),
        Row(mode: "=full", whereGone: true, whereThere: true),
        Row(mode: "=strict", whereGone: true, whereThere: false),
    ]

    @Test(arguments: Self.rows, [true, false])
    func `each mode makes of groups what CRIU's does`(_ row: Row, areGone: Bool) throws {
        var load = try Workload()
        let place = load.place
        try load.start([BuiltPrograms.subject, "--status", place + "/status", "cgroups"])
        let root = load.root
        defer { Self.removeGroups(of: root) }
        try #require(load.await { text(of: place + "/status") == "ready\n" })
        let images = load.directory + "/images"
        mkdir(images, 0o700)
        let tree = processTree(of: root)
        let out = try Command.run([BuiltPrograms.crplan, "dump", "-t", "\(root)", "-D", images])
        try #require(out.ending == .exit(0), "\(out.output)")
        try #require(reap(tree, until: now() + 10))
        if areGone { Self.removeGroups(of: root) }
        let before = Self.groups(of: root)

        let back = try Command.run([
            BuiltPrograms.crplan, "restore", "-d", "-D", images, "--manage-cgroups" + row.mode,
        ])
        guard areGone ? row.whereGone : row.whereThere else {
            #expect(back.ending == .exit(1), "\(back.output)")
            #expect(Self.groups(of: root) == before)
            return
        }
        try #require(back.ending == .exit(0), "\(back.output)")
        try write("", to: place + "/status.check")
        #expect(load.ended() == .exit(0), "\(load.contents("status"))")
    }

    @Test func `groups that were made for a restore that failed are taken away again`() throws {
        var load = try Workload()
        let place = load.place
        try load.start([BuiltPrograms.subject, "--status", place + "/status", "cgroups"])
        let root = load.root
        defer { Self.removeGroups(of: root) }
        try #require(load.await { text(of: place + "/status") == "ready\n" })
        let images = load.directory + "/images"
        mkdir(images, 0o700)
        let tree = processTree(of: root)
        let out = try Command.run([BuiltPrograms.crplan, "dump", "-t", "\(root)", "-D", images])
        try #require(out.ending == .exit(0), "\(out.output)")
        try #require(reap(tree, until: now() + 10))
        Self.removeGroups(of: root)
        let back = try Command.run([
            BuiltPrograms.crplan, "restore", "-d", "-D", images, "--action-script", "false",
        ])
        #expect(back.ending == .exit(1), "\(back.output)")
        #expect(Self.groups(of: root).isEmpty)
        #expect(reap(tree, until: now() + 10))
    }

    @Test(arguments: [("unified", "cgroup.freeze", "0"), ("freezer", "freezer.state", "THAWED")])
    func `a group that is frozen for the seizing is thawed again`(
        _ hierarchy: String, _ file: String, _ state: String
    ) throws {
        var load = try Workload()
        let place = load.place
        try load.start([BuiltPrograms.subject, "--status", place + "/status", "cgroups"])
        let root = load.root
        defer { Self.removeGroups(of: root) }
        try #require(load.await { text(of: place + "/status") == "ready\n" })
        guard let group = Self.groups(of: root).first(where: { access("\($0)/\(file)", F_OK) == 0 }) else {
            return
        }
        let images = load.directory + "/images"
        mkdir(images, 0o700)
        let tree = processTree(of: root)
        let stay = try Command.run([
            BuiltPrograms.crplan, "dump", "-t", "\(root)", "-D", images, "-R", "--freeze-cgroup", group,
        ])
        #expect(stay.ending == .exit(0), "\(stay.output)")
        #expect(trimmed(text(of: "\(group)/\(file)") ?? "") == state)
        // What was frozen before stays so.
        try write(state == "0" ? "1" : "FROZEN", to: "\(group)/\(file)")
        mkdir(images + "2", 0o700)
        let again = try Command.run([
            BuiltPrograms.crplan, "dump", "-t", "\(root)", "-D", images + "2", "-R", "--freeze-cgroup", group,
        ])
        #expect(again.ending == .exit(0), "\(again.output)")
        #expect(["1", "FROZEN", "FREEZING"].contains(trimmed(text(of: "\(group)/\(file)") ?? "")))
        try write(state, to: "\(group)/\(file)")
        try write("", to: place + "/status.check")
        #expect(load.ended() == .exit(0), "\(load.contents("status"))")
        #expect(reap(tree, until: now() + 10))
    }
}
