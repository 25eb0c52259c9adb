import Glibc
import TestSupport
import Testing

/// Trees that create tasks faster than they can be seized, in a control group of their own: it is frozen for a moment.
@Suite(
    .serialized,
    .enabled(if: BuiltPrograms.canCheckpoint && BuiltPrograms.isDebugBuild, "needs root and a debug build"))
struct TreeGroupTests {
    /// A group of one hierarchy, removed at the end.
    private final class Group {
        let directory: String
        private let file: String

        /// Nil where the hierarchy is not mounted.
        init?(isUnified: Bool) throws {
            let mounts = (text(of: "/proc/self/mounts") ?? "").split(separator: "\n").map {
                $0.split(separator: " ")
            }
            let mount = mounts.first {
                isUnified
                    ? $0[2] == "cgroup2"
                    : $0[2] == "cgroup" && $0[3].split(separator: ",").contains("freezer")
            }
            guard let mount else { return nil }
            directory = "\(mount[1])/crplan-tree-\(getpid())"
            file = directory + (isUnified ? "/cgroup.freeze" : "/freezer.state")
            try #require(mkdir(directory, 0o755) == 0)
        }

        deinit {
            let place = directory
            _ = poll(until: now() + 10) { rmdir(place) == 0 || errno == ENOENT }
        }

        var isThawed: Bool { ["0", "THAWED"].contains(trimmed(text(of: file) ?? "")) }
        func freeze() throws { try write(file.hasSuffix("state") ? "FROZEN" : "1", to: file) }
        func thaw() throws { try write(file.hasSuffix("state") ? "THAWED" : "0", to: file) }
    }

    private static func start(_ load: inout Workload, in group: Group, _ storm: String) throws {
        let place = load.place
        try load.start([
            "/bin/sh", "-c", "echo $$ > \(group.directory)/cgroup.procs && exec \"$@\"", "sh",
            BuiltPrograms.subject, "--status", place + "/status", "storm", storm,
        ])
        try #require(load.await { text(of: place + "/status") == "ready\n" })
    }

    private static func end(_ load: inout Workload) throws {
        try write("", to: load.place + "/status.check")
        #expect(load.ended() == .exit(0), "\(load.contents("status"))")
    }

    private static func dump(_ load: borrowing Workload, _ name: String, outrun: Bool) throws -> Command {
        let images = load.directory + "/" + name
        mkdir(images, 0o700)
        return try Command.run(
            (outrun ? ["/usr/bin/env", "CRPLAN_OUTRUN=1"] : []) + [
                BuiltPrograms.crplan, "dump", "-t", "\(load.root)", "-D", images, "-R", "-v4",
            ], timeout: 60)
    }

    private static let told = "is frozen for a moment"

    @Test(arguments: [true, false], ["fork", "vfork", "thread", "hop"])
    func `it is frozen while the tree is seized, and thawed again`(_ isUnified: Bool, _ storm: String) throws
    {
        guard let group = try Group(isUnified: isUnified) else { return }
        var load = try Workload()
        try Self.start(&load, in: group, storm)
        for round in 0..<3 {
            let out = try Self.dump(load, "images-\(round)", outrun: true)
            #expect(out.ending == .exit(0) && out.output.contains(Self.told), "\(out.output)")
            #expect(group.isThawed)
        }
        try Self.end(&load)
    }

    @Test func `a group that others are in too, or that somebody froze, is not touched`() throws {
        guard let group = try Group(isUnified: true) else { return }
        var load = try Workload()
        try Self.start(&load, in: group, "fork")
        var stranger = try Workload()
        try stranger.start([
            "/bin/sh", "-c", "echo $$ > \(group.directory)/cgroup.procs && exec sleep 600",
        ])
        let member = "\(stranger.root)"
        try #require(
            stranger.await {
                (text(of: group.directory + "/cgroup.procs") ?? "").split(separator: "\n").contains {
                    $0 == member
                }
            })
        let beside = try Self.dump(load, "beside", outrun: true)
        #expect(beside.ending == .exit(0) && !beside.output.contains(Self.told), "\(beside.output)")
        kill(stranger.root, SIGKILL)
        _ = stranger.ended()
        try group.freeze()
        let held = try Self.dump(load, "held", outrun: true)
        #expect(held.ending == .exit(1), "\(held.output)")
        #expect(held.output.contains("\(group.directory), which is frozen; thaw it"), "\(held.output)")
        #expect(!group.isThawed)
        try group.thaw()
        try Self.end(&load)
    }

    @Test(
        arguments: [true, false],
        [
            "before the group is frozen", "the group is frozen", "the frozen group is seized",
            "the group is thawed",
        ])
    func `it is thawed when the dump is killed there`(_ isUnified: Bool, _ point: String) throws {
        guard let group = try Group(isUnified: isUnified) else { return }
        var load = try Workload()
        try Self.start(&load, in: group, "fork")
        let images = load.directory + "/images"
        mkdir(images, 0o700)
        let dump = try spawn(
            [
                "/usr/bin/env", "CRPLAN_OUTRUN=1", "CRPLAN_STOP_AT==\(point)", BuiltPrograms.crplan, "dump",
                "-t", "\(load.root)", "-D", images, "-R",
            ], log: load.directory + "/tool.log", directory: "/")
        #expect(
            poll(until: now() + 60) { statFields("/proc/\(dump)/stat").first == "T" },
            "\(text(of: load.directory + "/tool.log") ?? "")")
        kill(dump, SIGKILL)
        #expect(wait(for: dump, until: now() + 10) == .signal(SIGKILL))
        #expect(poll(until: now() + 20) { group.isThawed })
        try Self.end(&load)
    }
}
