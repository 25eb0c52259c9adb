import CREngine
import Glibc
import TestSupport
import Testing

/// Sessions and control groups with several roots, on live processes.
@Suite(.serialized, .enabled(if: BuiltPrograms.canApply, "needs root and a crplan that applies policies"))
struct GroupTests {
    /// A directory, a store, processes, and a control group in the cgroup2 hierarchy.
    private struct Setting: ~Copyable {
        static let hierarchy = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"].first {
            access($0 + "/cgroup.procs", W_OK) == 0
        }
        let directory: String
        let name: String
        private(set) var pids: [Int32] = []

        init() throws {
            try becomeSubreaper()
            directory = try makeDirectory(in: "/tmp")
            name = "crplan-test-\(directory.suffix(6).lowercased())"
            if let hierarchy = Self.hierarchy { mkdir("\(hierarchy)/\(name)", 0o755) }
        }

        deinit {
            end(pids)
            if let hierarchy = Self.hierarchy { rmdir("\(hierarchy)/\(name)") }
            remove(directory)
        }

        var store: String { directory + "/store" }

        mutating func start(_ words: [String], inGroup: Bool, comm: String) throws -> Int32 {
            let pid = try spawn(words, log: "/dev/null", directory: "/")
            pids.append(pid)
            #expect(poll(until: now() + 20) { trimmed(text(of: "/proc/\(pid)/comm") ?? "") == comm })
            if inGroup, let hierarchy = Self.hierarchy {
                try write("\(pid)", to: "\(hierarchy)/\(name)/cgroup.procs")
            }
            return pid
        }

        mutating func know(_ pid: Int32) { pids.append(pid) }

        func apply(_ select: String, tree: String, _ more: String = "", _ words: String...) throws -> Command
        {
            let path = directory + "/policy.yaml"
            try write(
                "version: 1\nname: \(name)\nselect: [\(select)]\ntree: \(tree)\nstore: {path: \(store)}\n\(more)",
                to: path)
            return try Command.run([BuiltPrograms.crplan, "apply", path] + words)
        }

        func isRunning(_ pid: Int32) -> Bool {
            let state = statFields("/proc/\(pid)/stat").first
            return state == "S" || state == "R"
        }
    }

    private static let hasCgroup2 = Setting.hierarchy != nil

    @Test(.enabled(if: hasCgroup2, "needs a cgroup2 hierarchy that can be written to"))
    func `the roots of a control group are dumped together and each restores`() throws {
        var setting = try Setting()
        let one = try setting.start(["/usr/bin/sleep", "98771"], inGroup: true, comm: "sleep")
        let two = try setting.start(["/usr/bin/sleep", "98772"], inGroup: true, comm: "sleep")
        let run = try setting.apply("{cmdline: 'sleep 98771', cgroup: \"/\(setting.name)\"}", tree: "cgroup")
        #expect(run.ending == .exit(0), "\(run.output)")
        #expect(run.output.contains("with cgroup /\(setting.name)"))
        #expect(reap([one, two], until: now() + 20))
        let checkpoints = try Store(path: setting.store).checkpoints()
        #expect(Set(try checkpoints.flatMap { try $0.manifest().tree.map(\.pid.rawValue) }) == [one, two])
        for checkpoint in checkpoints {
            let restored = try Command.run([BuiltPrograms.crplan, "restore", checkpoint.path])
            #expect(restored.ending == .exit(0), "\(restored.output)")
        }
        #expect(setting.isRunning(one) && setting.isRunning(two))
    }

    @Test(.enabled(if: hasCgroup2, "needs a cgroup2 hierarchy that can be written to"))
    func `where one root of a control group is blocked none is touched`() throws {
        var setting = try Setting()
        let one = try setting.start(["/usr/bin/sleep", "98773"], inGroup: true, comm: "sleep")
        let two = try setting.start(
            [
                "/usr/bin/python3", "-c",
                "import ctypes,time; ctypes.CDLL(None).syscall(323, 1); time.sleep(98774)",
            ],
            inGroup: true, comm: "python3")
        // Until it holds what blocks.
        #expect(
            poll(until: now() + 20) {
                names(in: "/proc/\(two)/fd").contains {
                    link(at: "/proc/\(two)/fd/\($0)") == "anon_inode:[userfaultfd]"
                }
            })
        let run = try setting.apply("{pid: \(one)}", tree: "cgroup")
        #expect(run.ending == .exit(3), "\(run.output)")
        #expect(run.output.contains("CRP808"))
        #expect(setting.isRunning(one) && setting.isRunning(two))
        #expect(try Store(path: setting.store).checkpoints().isEmpty)
    }

    @Test(.enabled(if: hasCgroup2, "needs a cgroup2 hierarchy that can be written to"))
    func `where one root of a control group cannot be dumped the others run on, and nothing is published`()
        throws
    {
        var setting = try Setting()
        let one = try setting.start(["/usr/bin/sleep", "98779"], inGroup: true, comm: "sleep")
        let two = try setting.start(["/usr/bin/sleep", "98780"], inGroup: true, comm: "sleep")
        let saved = setting.directory + "/plan.json"
        let dry = try setting.apply("{pid: \(one)}", tree: "cgroup", "", "--dry-run", "-o", saved)
        #expect(dry.ending == .exit(0), "\(dry.output)")
        let report = try Report.decoded(Array((text(of: saved) ?? "").utf8), name: saved)
        let targets = report.runs.first?.plan?.targets ?? []
        let names = Dictionary(uniqueKeysWithValues: targets.map { ($0.pid.rawValue, $0.name) })
        // A link to nowhere in the place of a target's directory: its worker fails.
        mkdir(setting.store, 0o700)
        mkdir("\(setting.store)/\(setting.name)", 0o700)
        symlink("/nowhere", "\(setting.store)/\(setting.name)/\(try #require(names[two]))")
        let run = try setting.apply("{pid: \(one)}", tree: "cgroup")
        #expect(run.ending == .exit(1), "\(run.output)")
        #expect(run.output.contains("let go with its group"))
        #expect(setting.isRunning(one) && setting.isRunning(two))
        let directory = "\(setting.store)/\(setting.name)/\(try #require(names[one]))"
        #expect(TestSupport.names(in: directory).isEmpty)
    }

    @Test(.enabled(if: hasCgroup2, "needs a cgroup2 hierarchy that can be written to"))
    func `a control group that is left running runs on, and its checkpoints restore`() throws {
        var setting = try Setting()
        let one = try setting.start(["/usr/bin/sleep", "98781"], inGroup: true, comm: "sleep")
        let two = try setting.start(["/usr/bin/sleep", "98782"], inGroup: true, comm: "sleep")
        let run = try setting.apply(
            "{pid: \(one)}", tree: "cgroup", "dump: {after: leave-running, filesystem: unsafe-ignore}")
        #expect(run.ending == .exit(0), "\(run.output)")
        #expect(poll(until: now() + 20) { setting.isRunning(one) && setting.isRunning(two) })
        let checkpoints = try Store(path: setting.store).checkpoints()
        #expect(checkpoints.count == 2)
        end([one, two])
        for checkpoint in checkpoints {
            let restored = try Command.run([BuiltPrograms.crplan, "restore", checkpoint.path])
            #expect(restored.ending == .exit(0), "\(restored.output)")
        }
        #expect(setting.isRunning(one) && setting.isRunning(two))
    }

    @Test(.enabled(if: hasCgroup2, "needs a cgroup2 hierarchy that can be written to"))
    func `only takes the whole group`() throws {
        var setting = try Setting()
        let one = try setting.start(["/usr/bin/sleep", "98775"], inGroup: true, comm: "sleep")
        let two = try setting.start(["/usr/bin/sleep", "98776"], inGroup: true, comm: "sleep")
        let run = try setting.apply("{pid: \(one)}", tree: "cgroup", "", "--only", "\(two)")
        #expect(run.ending == .exit(0), "\(run.output)")
        #expect(try Store(path: setting.store).checkpoints().count == 2)
        #expect(reap([one, two], until: now() + 20))
    }

    @Test func `a second root of a session has its leader outside, so the session is blocked as a whole`()
        throws
    {
        var setting = try Setting()
        let file = setting.directory + "/pid"
        // A child whose parent ends becomes a root of its own in the session.
        let leader = try setting.start(
            ["/bin/sh", "-c", "(sh -c 'echo $$ > \(file); exec sleep 98778' &); exec sleep 98777"],
            inGroup: false, comm: "sleep")
        #expect(poll(until: now() + 20) { Int32(trimmed(text(of: file) ?? "")) != nil })
        let other = try #require(Int32(trimmed(text(of: file) ?? "")))
        setting.know(other)
        #expect(
            poll(until: now() + 20) {
                trimmed(text(of: "/proc/\(other)/comm") ?? "") == "sleep"
                    && statFields("/proc/\(other)/stat").dropFirst().first != "\(leader)"
            })
        let run = try setting.apply("{pid: \(leader)}", tree: "session")
        #expect(run.ending == .exit(3), "\(run.output)")
        #expect(run.output.contains("with session \(leader)"))
        #expect(run.output.contains("CRP401") && run.output.contains("CRP808"))
        #expect(setting.isRunning(leader) && setting.isRunning(other))
    }
}
