import CPlatform
import CREngine
import Glibc
import TestSupport
import Testing

/// A tree of the host whose ids others have by now: it comes back in a pid namespace of its own.
@Suite(
    .serialized,
    .enabled(if: BuiltPrograms.canApply, "needs root, and a crplan that has dump and restore"))
struct NewPIDNamespaceTests {
    static let option = "--pid-conflict=new-pid-namespace"
    static let subjects = [
        "plain", "tree", "threads", "pipes", "unix pair", "unix dgram", "timers", "timers thread", "signals",
        "fdshare", "creds", "terminals session", "tasks orphans", "sysv undo", "nsfiles",
    ]

    /// The second dump takes the tree out of the namespace that the first restore made.
    static var cases: [SubjectCase] {
        subjects.flatMap { subject in
            ["dump,take-ids,restore,check", "dump,take-ids,restore,cycle:2,check"].map {
                SubjectCase(subject: subject, steps: $0, options: ["--restore-option", option])
            }
        } + [
            SubjectCase(
                subject: "tree", steps: "dump,take-ids,restore,dump-running,cycle:1,check",
                options: ["--restore-option", option]),
            SubjectCase(
                subject: "locks", steps: "dump,take-ids,restore,cycle:1,check",
                options: ["--restore-option", option, "--dump-option", "-l"]),
        ]
    }

    @Test(arguments: Self.cases)
    func `a tree keeps the ids that others have taken`(_ row: SubjectCase) throws {
        let words = [
            BuiltPrograms.subjectRunner, "--tool", BuiltPrograms.crplan, "--steps", row.steps,
            "--timeout", "120",
        ]
        let subject = row.subject.split(separator: " ").map(String.init)
        let run = try Command.run(words + row.options + subject, timeout: 150)
        #expect(run.ending == .exit(0), "\(run.output)")
    }

    /// What has a number in it that would be another's.
    @Test(arguments: [
        ("processfiles", "is of another process for a tree in a new pid namespace"),
        ("pidfds", "is of an ended process, which a new pid namespace does not have"),
    ])
    func `what names other processes keeps a tree out`(_ subject: String, _ why: String) throws {
        let dumped = try DumpedSubject([subject])
        try dumped.dump()
        let isGone = dumped.reapAll()
        try #require(isGone)
        let taker = try IDTaker(dumped.root)
        let refused = try dumped.restore([Self.option])
        #expect(refused.ending == .exit(1))
        #expect(refused.output.contains(why), "\(refused.output)")
        #expect(refused.output.contains("id \(dumped.root) is taken by"), "\(refused.output)")
        _ = consume taker
        let restored = try dumped.restore([Self.option])
        #expect(restored.ending == .exit(0), "\(restored.output)")
        let verdict = try dumped.verdict()
        #expect(verdict == "pass\n")
        let hasEnded = dumped.reapAll()
        #expect(hasEnded)
    }

    @Test func `the plan warns of what would keep a tree out`() throws {
        var load = try Workload()
        let place = load.place
        try load.start([BuiltPrograms.subject, "--status", place + "/status", "processfiles"])
        try #require(load.await { text(of: place + "/status") == "ready\n" }, "\(load.contents("log"))")
        let policy = try load.writePolicy("warned", pids: [load.root])
        try write((text(of: policy) ?? "") + "restore: {pid-conflict: new-pid-namespace}\n", to: policy)
        let plan = try PlannedFindings(of: policy)
        #expect(plan.isReady, "\(plan.text)")
        let warnings = plan.findings.filter { $0.code.rawValue == "CRP813" }
        #expect(!warnings.isEmpty && warnings.allSatisfy { $0.severity == .warn }, "\(plan.text)")
        #expect(
            warnings.contains { $0.what.contains("/proc/\(load.root)/") && $0.object.fd != nil },
            "\(plan.text)")
    }

    @Test(arguments: [
        "processes made", "a process has its memory", "sockets made", "credentials are set", "all is there",
        "registers are set",
    ])
    func `a restore that is cut leaves nobody in the namespace`(_ point: String) throws {
        let dumped = try DumpedSubject(["plain"])
        try dumped.dump()
        let isGone = dumped.reapAll()
        try #require(isGone)
        let taker = try IDTaker(dumped.root)
        let tool = try spawn(
            [
                "/usr/bin/env", "CRPLAN_STOP_AT==\(point)", BuiltPrograms.crplan, "restore", "-d", "-D",
                dumped.images, Self.option,
            ], log: dumped.directory + "/tool.log", directory: dumped.directory)
        var status: Int32 = 0
        let hasStopped = poll(until: now() + 60) { waitpid(tool, &status, WUNTRACED | WNOHANG) == tool }
        #expect(hasStopped && status & 0xff == 0x7f, "no stop at \(point)")
        let inside = Self.inhabitants(with: dumped.root)
        #expect(inside.count == 2, "\(inside)")
        kill(tool, SIGKILL)
        _ = wait(for: tool, until: now() + 30)
        let hasEnded = reap(inside, until: now() + 30)
        #expect(hasEnded)
        _ = consume taker
        let restored = try dumped.restore([Self.option])
        #expect(restored.ending == .exit(0), "\(restored.output)")
        let verdict = try dumped.verdict()
        #expect(verdict == "pass\n")
        let isDone = dumped.reapAll()
        #expect(isDone)
    }

    /// All in the pid namespace, not ours, in which somebody has this number.
    private static func inhabitants(with number: Int32) -> [Int32] {
        let all = names(in: "/proc").compactMap { Int32($0) }
        let own = link(at: "/proc/self/ns/pid")
        let namespace = all.filter { pid in
            text(of: "/proc/\(pid)/status")?.contains("NSpid:\t\(pid)\t\(number)\n") == true
        }.compactMap { link(at: "/proc/\($0)/ns/pid") }.first { $0 != own }
        return namespace.map { namespace in all.filter { link(at: "/proc/\($0)/ns/pid") == namespace } } ?? []
    }

    /// The shell waits for a file and ends by its own exit code, or by a signal.
    @Test(arguments: [(nil, 7), (SIGTERM, 128 + 15), (SIGKILL, 128 + 9)])
    func `who waits for the tree learns how its root ended`(_ signal: Int32?, _ code: Int32) throws {
        var load = try Workload()
        let script = "echo >ready; while [ ! -e end ]; do sleep 0.02; done; exit 7"
        try load.start(["/bin/sh", "-c", script])
        try #require(load.await { load.contents("ready") == "\n" })
        let first = load.root
        let dumped = try load.checkpoint("wait")
        try #require(dumped.ending == .exit(0), "\(dumped.output)")
        let taker = try IDTaker(first)
        let newest = try #require(load.checkpoints(of: "wait").first)
        let pidfile = load.directory + "/pid"
        let waiting = try spawn(
            [
                BuiltPrograms.crplan, "restore", "-D", newest + "/images", "--pidfile", pidfile, Self.option,
            ], log: load.directory + "/log", directory: load.directory)
        load.follow(waiting)
        try #require(
            load.await { text(of: pidfile).map { !$0.isEmpty } ?? false }, "\(load.contents("../log"))")
        let root = try #require(text(of: pidfile).flatMap { Int32($0) })
        // The pidfile is there before the tree runs.
        try #require(load.await { text(of: "/proc/\(root)/status")?.contains("TracerPid:\t0\n") == true })
        let initial = try #require(statFields("/proc/\(root)/stat").dropFirst().first.flatMap { Int32($0) })
        #expect(text(of: "/proc/\(root)/status")?.contains("NSpid:\t\(root)\t\(first)\n") == true)
        #expect(text(of: "/proc/\(initial)/status")?.contains("NSpid:\t\(initial)\t1\n") == true)
        #expect(text(of: "/proc/\(initial)/comm") == "crplan-init\n")
        switch signal {
        case nil: try write("", to: load.place + "/end")
        // Passed on to the root by who waits.
        case SIGTERM?: kill(waiting, SIGTERM)
        case let other?: kill(root, other)
        }
        #expect(load.ended() == .exit(code))
        #expect(load.await { statFields("/proc/\(initial)/stat").isEmpty })
        _ = consume taker
    }

    /// From the policy's word to the report, with a child that outlives the root.
    @Test func `a policy gives a namespace, and its init stays for orphans`() throws {
        var load = try Workload()
        let script =
            "(echo >ready; while [ ! -e end ]; do sleep 0.02; done; echo >ended) & while [ ! -e root-ends ]; do sleep 0.02; done"
        try load.start(["/bin/sh", "-c", script])
        try #require(load.await { load.contents("ready") == "\n" })
        let first = load.root
        let policy = try load.writePolicy("given", pids: [first])
        let pidfile = load.directory + "/pid"
        try write(
            (text(of: policy) ?? "")
                + "restore: {pid-conflict: new-pid-namespace, pidfile: \(pidfile)}\n", to: policy)
        let plan = try PlannedFindings(of: policy)
        #expect(plan.isReady && plan.has("CRP813", .info), "\(plan.text)")
        let tree = processTree(of: first)
        let applied = try Command.run([BuiltPrograms.crplan, "apply", policy])
        try #require(applied.ending == .exit(0), "\(applied.output)")
        try #require(reap(tree, session: first, until: now() + 10))
        let newest = try #require(load.checkpoints(of: "given").first)
        let taker = try IDTaker(first)
        let coming = try Command.run([BuiltPrograms.crplan, "restore", "--plan", newest])
        #expect(coming.ending == .exit(0))
        #expect(coming.output.contains("id \(first) is taken by "), "\(coming.output)")
        #expect(coming.output.contains("the tree gets a pid namespace of its own"), "\(coming.output)")
        let restored = try Command.run([BuiltPrograms.crplan, "restore", newest])
        try #require(restored.ending == .exit(0), "\(restored.output)")
        let root = try #require(text(of: pidfile).flatMap { Int32(trimmed($0)) })
        #expect(
            restored.output.contains("root \(root), \(first) in a pid namespace of its own"),
            "\(restored.output)")
        let initial = try #require(statFields("/proc/\(root)/stat").dropFirst().first.flatMap { Int32($0) })
        load.follow(initial)
        try write("", to: load.place + "/root-ends")
        #expect(load.await { statFields("/proc/\(root)/stat").isEmpty }, "the root was not reaped")
        #expect(load.contents("ended") == "")
        try write("", to: load.place + "/end")
        #expect(load.ended() == .exit(0))
        #expect(load.contents("ended") == "\n")
        _ = consume taker
    }
}

/// Has the id of a process that has ended, and nothing else, until it goes.
private struct IDTaker: ~Copyable {
    private let pid: Int32
    private let keep: Int32

    init(_ pid: Int32) throws {
        var keep: Int32 = -1
        let made = cp_stub_start(pid, 0, 0, -1, Int32(CP_STUB_CHILD), &keep)
        try #require(made == pid, "id \(pid) cannot be taken: \(made)")
        self.pid = pid
        self.keep = keep
    }

    deinit {
        close(keep)
        _ = wait(for: pid, until: now() + 10)
    }
}
