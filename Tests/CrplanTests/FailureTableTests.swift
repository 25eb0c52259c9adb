import Glibc
import TestSupport
import Testing

@testable import CREngine

/// The messages with which checkpoints of processes of a host fail most, as users report them of CRIU: each is told
/// before the freeze, with the object, whose it is, and the key that lets it pass; with the key all goes well.
@Suite(
    .serialized,
    .enabled(if: BuiltPrograms.canApply, "needs root, and a crplan that has apply and restore"))
struct FailureTableTests {
    struct Row: Sendable, CustomTestStringConvertible {
        /// As the user of CRIU reads it.
        let message: String
        let subject: String
        let code: String
        /// What of the finding names the object.
        let object: String
        /// The key that the finding names, and a policy's `allow` with it in YAML's flow form; nil where nothing allows it.
        var key = ""
        var allow: String?
        /// Whether it is a descriptor, and is named by its number.
        var isDescriptor = true

        var testDescription: String { "\(message): \(subject)" }
    }

    static let rows = [
        Row(
            message: "fsnotify: Can't dump that handle", subject: "notify deleted", code: "CRP125",
            object: "watch", key: "fsnotify", allow: "{fsnotify: drop}"),
        Row(
            message: "Connected TCP socket, consider using --tcp-established", subject: "tcp orphan",
            code: "CRP221", object: "tcp 127.0.0.1:", key: "tcp-established",
            allow: "{tcp-established: true}"),
        Row(
            message: "Can't dump ghost file, increase limit", subject: "ghosts big", code: "CRP103",
            object: "/run/ghost, deleted, 3072KiB", key: "ghost-limit", allow: "{ghost-limit: 4MiB}"),
        Row(
            message: "External socket is used. Consider using --ext-unix-sk", subject: "unix outside-dgram",
            code: "CRP210", object: "unix dgram", key: "ext-unix-sk",
            allow: "{ext-unix-sk: [{type: dgram, on-restore: reconnect}]}"),
        Row(
            message: "Can't dump half of stream unix connection", subject: "unix outside-all", code: "CRP210",
            object: "unix stream -> /", key: "ext-unix-sk",
            allow: "{ext-unix-sk: [{type: any, on-restore: reconnect}]}"),
        Row(
            message: "Can't dump half of stream unix connection", subject: "unix outside-closed",
            code: "CRP210", object: "unix stream -> /", key: "ext-unix-sk",
            allow: "{ext-unix-sk: [{type: any, on-restore: close}]}"),
        Row(
            message: "Can't lookup mount=… path=… (deleted)", subject: "links kept", code: "CRP102",
            object: "/run/held", key: "link-remap", allow: "{link-remap: true}"),
        Row(
            message: "Unknown shit 600 (anon_inode:[io_uring])", subject: "holder io_uring", code: "CRP129",
            object: "io_uring"),
        Row(
            message: "Can't dump half of a pipe", subject: "outside pipe", code: "CRP108", object: "pipe:[",
            key: "ext-pipes", allow: "{ext-pipes: \"null\"}"),
        Row(
            message: "Can't dump half of a pipe", subject: "outside stdout", code: "CRP109",
            object: "stdout on pipe:[", key: "stdio",
            allow: "{stdio: [{kind: pipe, on-restore: \"null\"}]}"),
        Row(
            message: "Can't dump half of a fifo", subject: "outside fifo", code: "CRP105",
            object: "/run/fifo, also held by subject["),
        Row(
            message: "Some file locks are hold by dumping tasks", subject: "locks", code: "CRP410",
            object: "flock", key: "file-locks", allow: "{file-locks: owned}"),
        Row(
            message: "Can't find path by device", subject: "devices", code: "CRP134", object: "device 1:3",
            key: "evasive-devices", allow: "{evasive-devices: [\"1:3\", \"1:5\"]}"),
        Row(
            message: "Can't dump file of that type [20600] (unknown chr)", subject: "holder device",
            code: "CRP501", object: "/dev/cpu_dma_latency", key: "external"),
    ]

    @Test(arguments: rows)
    func `what makes dumps fail is foretold, and its key lets it pass`(_ row: Row) throws {
        if row.subject == "holder device", access("/dev/cpu_dma_latency", F_OK) != 0 { return }
        var load = try Workload()
        try load.start(
            [BuiltPrograms.subject, "--status", load.place + "/status"]
                + row.subject.split(separator: " ").map(String.init))
        let place = load.place
        try #require(load.await { text(of: place + "/status") == "ready\n" }, "\(row.subject)")
        let tree = processTree(of: load.root)
        let policy = try load.writePolicy("table", pids: [load.root])
        let denied = try PlannedFindings(of: policy)
        #expect(!denied.isReady)
        let finding = try #require(denied.blocker(row.code), "\(denied.text)")
        #expect(finding.what.contains(row.object), "\(finding.what)")
        #expect(tree.contains(finding.object.pid?.rawValue ?? 0))
        #expect((finding.object.fd != nil) == row.isDescriptor)
        #expect(!finding.why.isEmpty)
        let whose = [finding.object.pid.map { "pid \($0)" }, finding.object.fd.map { "fd \($0)" }]
        for part in [row.code, row.object] + whose.compactMap({ $0 }) {
            #expect(denied.text.contains(part), "\(part) in \(denied.text)")
        }
        if row.key.isEmpty {
            #expect(finding.remedy == nil)
        } else {
            let remedy = try #require(finding.remedy)
            #expect(remedy.hasPrefix("allow: {\(row.key): ") && denied.text.contains(row.key), "\(remedy)")
        }
        // The program has not noticed, and is refused the same way when it comes to a dump.
        let refused = try Command.run([BuiltPrograms.crplan, "apply", policy])
        #expect(refused.ending == .exit(3), "\(refused.output)")
        guard let allow = row.allow else {
            try write("", to: place + "/status.check")
            #expect(load.ended() == .exit(0), "\(load.contents("status"))")
            return
        }

        try write((text(of: policy) ?? "") + "allow: \(allow)\n", to: policy)
        let ready = try PlannedFindings(of: policy)
        #expect(ready.isReady, "\(ready.text)")
        #expect(ready.has(row.code, .allowed) || row.code == "CRP103", "\(ready.text)")
        let applied = try Command.run([BuiltPrograms.crplan, "apply", policy])
        try #require(applied.ending == .exit(0), "\(applied.output)")
        #expect(reap(tree, session: load.root, until: now() + 10))
        let restored = try load.restore("table")
        try #require(restored.ending == .exit(0), "\(restored.output)")
        try write("", to: place + "/status.check")
        #expect(load.ended() == .exit(0), "\(load.contents("status"))")
        #expect(load.contents("status") == "pass\n")
    }

    /// `Can't dump ghost file, increase limit`: holes take no room, neither in the checkpoint nor afterwards.
    @Test func `a deleted file of 1 GiB that is nearly all holes keeps them`() throws {
        var load = try Workload()
        try load.start([BuiltPrograms.subject, "--status", load.place + "/status", "ghosts", "sparse"])
        let place = load.place
        try #require(load.await { text(of: place + "/status") == "ready\n" })
        let tree = processTree(of: load.root)
        let policy = try load.writePolicy("sparse", pids: [load.root])
        let select = text(of: policy) ?? ""
        try write(select + "allow: {ghost-limit: 64KiB}\n", to: policy)
        let denied = try PlannedFindings(of: policy)
        let finding = try #require(denied.blocker("CRP103"), "\(denied.text)")
        #expect(finding.remedy == "allow: {ghost-limit: 128KiB}")
        try write(select + "allow: {ghost-limit: auto}\n", to: policy)
        let applied = try Command.run([BuiltPrograms.crplan, "apply", policy])
        try #require(applied.ending == .exit(0), "\(applied.output)")
        #expect(reap(tree, session: load.root, until: now() + 10))
        let images = try #require(load.checkpoints(of: "sparse").first) + "/images"
        let ghost = try #require(names(in: images).first { $0.hasPrefix("ghost-file-") })
        var status = stat()
        #expect(stat(images + "/" + ghost, &status) == 0)
        // Two pieces of 64 KiB and a few words.
        #expect(status.st_size > 128 << 10 && status.st_size < 132 << 10, "\(status.st_size)")
        #expect(status.st_blocks * 512 < 256 << 10)
        let restored = try load.restore("sparse")
        try #require(restored.ending == .exit(0), "\(restored.output)")
        try write("", to: place + "/status.check")
        #expect(load.ended() == .exit(0), "\(load.contents("status"))")
    }

    /// `Can't fork for N: File exists`, `Pid X do not match expected Y`.
    @Test func `ids that are taken are told before a restore begins`() throws {
        let subject = try DumpedSubject(["tree"])
        try subject.dump(["-R"])
        let checked = try subject.restore(["--plan"])
        #expect(checked.ending == .exit(3), "\(checked.output)")
        for pid in subject.tree {
            #expect(checked.output.contains("id \(pid): is taken by subject (a "), "\(checked.output)")
        }
        try write("", to: subject.place + "/status.check")
        #expect(wait(for: subject.root, until: now() + 60) == .exit(0))
    }

    /// `File … has bad size A (expect B)`, `bad mode`: after leave-running the program itself changes its files.
    @Test
    func `a file that a running program goes on changing is told, and a restore tells what has changed`()
        throws
    {
        let subject = try DumpedSubject(["files"])
        let policy = subject.directory + "/policy.yaml"
        func write(_ filesystem: String) throws {
            try TestSupport.write(
                """
                version: 1
                name: files
                select: [{pid: \(subject.root)}]
                dump: {after: leave-running\(filesystem)}
                store: {path: \(subject.directory)/store}

                """, to: policy)
        }
        // Without the key the policy does not even load.
        try write("")
        let unsaid = try Command.run([BuiltPrograms.crplan, "plan", policy])
        #expect(
            unsaid.ending == .exit(78) && unsaid.output.contains("needs 'dump.filesystem'"),
            "\(unsaid.output)")
        try write(", filesystem: append-only")
        let denied = try PlannedFindings(of: policy)
        let finding = try #require(denied.blocker("CRP150"), "\(denied.text)")
        #expect(!denied.isReady)
        #expect(finding.object.pid == PID(subject.root) && finding.object.fd != nil)
        #expect(finding.what.contains(subject.place + "/"))
        #expect(finding.remedy?.hasPrefix("dump: {filesystem: ") == true)
        try write(", filesystem: unsafe-ignore")
        #expect(try PlannedFindings(of: policy).isReady)
        let applied = try Command.run([BuiltPrograms.crplan, "apply", policy])
        try #require(applied.ending == .exit(0), "\(applied.output)")
        end(subject.tree)
        // A file that the program changed after the checkpoint, and one of another mode.
        #expect(truncate(subject.place + "/plain", 7) == 0)
        #expect(chmod(subject.place + "/appended", 0o600) == 0)
        let checkpoint = try #require(try Store(path: subject.directory + "/store").checkpoints().first)
        let refused = try Command.run([BuiltPrograms.crplan, "restore", checkpoint.path])
        #expect(refused.ending == .exit(1) && subject.alive == [])
        #expect(refused.output.contains("/plain: has 7 bytes, and had 10 at the dump"), "\(refused.output)")
        let checked = try Command.run([BuiltPrograms.crplan, "restore", "--plan", checkpoint.path])
        #expect(checked.output.contains("/appended: has mode 0100600, and had 0100640"), "\(checked.output)")
        #expect(truncate(subject.place + "/plain", 0) == 0 && chmod(subject.place + "/appended", 0o640) == 0)
        try TestSupport.write("0123456789", to: subject.place + "/plain")
        let restored = try Command.run([BuiltPrograms.crplan, "restore", checkpoint.path])
        #expect(restored.ending == .exit(0), "\(restored.output)")
        try TestSupport.write("", to: subject.place + "/status.check")
        #expect(wait(for: subject.root, until: now() + 60) == .exit(0))
    }

    /// `FPU feature required by image is not supported on host`.
    @Test func `registers that this processor lacks are told before a restore begins`() throws {
        let subject = try DumpedSubject(["plain"])
        try subject.dump()
        let isGone = subject.reapAll()
        try #require(isGone)
        try RegisterState.demandUnknown(in: subject.images + "/core-\(subject.root).img")
        let refused = try subject.restore()
        #expect(refused.ending == .exit(1) && subject.alive == [])
        #expect(
            refused.output.contains("core-\(subject.root).img")
                && refused.output.contains("XSAVE component 62 is in use and this CPU lacks it"),
            "\(refused.output)")
    }
}
