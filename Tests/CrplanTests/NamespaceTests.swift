import Glibc
import TestSupport
import Testing

/// Trees in namespaces of their own: subjects that find all that they set up as the init of a sandbox.
@Suite(
    .serialized,
    .enabled(if: BuiltPrograms.canCheckpoint, "needs root, and a crplan that has dump and restore"))
struct NamespaceTests {
    /// Kinds, as options of unshare(1) name them, and what lives in them.
    static let rows: [(kinds: String, subjects: [String])] = [
        ("uts", ["plain"]),
        ("ipc", ["sysv", "sysv undo", "mqueues"]),
        (
            "pid",
            [
                "plain", "tree", "threads", "signals", "unix pair", "unix dgram", "fdshare",
                "terminals session",
            ]
        ),
        ("cgroup", ["plain", "tree"]),
        // 100 and 200 days.
        ("time,monotonic=8640000,boottime=17280000", ["clocks ahead", "timers", "nsfiles"]),
        ("pid,net,uts,ipc,cgroup", ["nsfiles"]),
        ("uts", ["cgroups namespace"]),
        ("pid,uts,ipc,cgroup", ["cgroups namespace"]),
        ("pid,mnt,net", ["unix dgram"]),
        ("pid,uts,ipc", ["tree", "timers", "events", "pipes", "sysv", "mqueues", "creds", "tasks orphans"]),
    ]

    static var cases: [(kinds: String, row: SubjectCase)] {
        rows.flatMap { row in
            row.subjects.flatMap { subject in
                ["dump,restore,check", "dump-running,check"].map {
                    (
                        row.kinds,
                        SubjectCase(
                            subject: subject, steps: $0, options: row.kinds.contains("mnt") ? found : [])
                    )
                }
            }
        } + [
            ("pid,uts,ipc", SubjectCase(subject: "tree", steps: "dump-running,cycle:3,check")),
            ("ipc", SubjectCase(subject: "mqueues", steps: "cycle:2,check")),
            ("user,pid,ipc", SubjectCase(subject: "mqueues", steps: "dump-running,cycle:2,check")),
            ("ipc", SubjectCase(subject: "mqueues thread", steps: "dump-blocked,check")),
            (
                "mnt,ipc",
                SubjectCase(subject: "mqueues mounted", steps: "dump-running,cycle:2,check", options: found)
            ),
            ("pid", SubjectCase(subject: "pidfds", steps: "dump-blocked,check")),
            // Told by looking at somebody of the same namespaces.
            ("pid", SubjectCase(subject: "holder landlock", steps: "dump-blocked,check")),
            ("user", SubjectCase(subject: "holder landlock", steps: "dump-blocked,check")),
            ("user,pid", SubjectCase(subject: "holder landlock", steps: "dump-blocked,check")),
            (
                "time,monotonic=8640000,boottime=17280000",
                SubjectCase(subject: "clocks ahead", steps: "cycle:2,check")
            ),
        ]
            + [
                (
                    "pid",
                    SubjectCase(
                        subject: "locks", steps: "dump,restore,check", options: ["--dump-option", "-l"])
                )
            ]
    }

    /// Mounts that are found outside are taken from there.
    static let found: [String] = [
        "--dump-option", "--external=mnt[]", "--restore-option", "--external=mnt[]",
    ]
    /// Subjects in a mount namespace of their own, with what the dump is told besides.
    static let mounted: [(subject: String, options: [String])] = [
        ("mounts contents", []), ("mounts binds", []), ("mounts propagation", []), ("mounts kernels", []),
        ("mounts root", []), ("files", []), ("fifos", []), ("directories", []), ("memory", []),
        ("terminals session", []), ("unix listen", []), ("notify", []),
        ("locks", ["--dump-option", "-l"]),
    ]

    static var mountedCases: [SubjectCase] {
        mounted.flatMap { row in
            ["dump,restore,check", "dump-running,check"].map {
                SubjectCase(subject: row.subject, steps: $0, options: found + row.options)
            }
        } + [
            SubjectCase(subject: "mounts contents", steps: "cycle:3,check", options: found),
            SubjectCase(
                subject: "links", steps: "dump,restore,check",
                options: found + ["--dump-option", "--link-remap"]),
            SubjectCase(
                subject: "links kept", steps: "dump-running,check",
                options: found + ["--dump-option", "--link-remap"]),
        ]
    }

    @Test(arguments: ["mnt", "pid,mnt,uts,ipc"], Self.mountedCases)
    func `a subject keeps its mounts and what it has of them`(_ kinds: String, _ row: SubjectCase) throws {
        try `a subject keeps all that it set up in a sandbox`(kinds, row)
    }

    @Test(arguments: Self.cases)
    func `a subject keeps all that it set up in a sandbox`(_ kinds: String, _ row: SubjectCase) throws {
        let subject = row.subject.split(separator: " ").map(String.init)
        let words = [
            BuiltPrograms.subjectRunner, "--tool", BuiltPrograms.crplan, "--steps", row.steps,
            "--namespaces", kinds,
        ]
        let run = try Command.run(words + row.options + subject, timeout: 150)
        #expect(run.ending == .exit(0), "\(run.output)")
    }

    @Test func `the pidfile of a sandbox has the number that its init has outside`() throws {
        try becomeSubreaper()
        let place = try makeDirectory(in: "/tmp")
        defer { remove(place) }
        let images = place + "/images"
        mkdir(images, 0o700)
        let unshare = ["/usr/bin/unshare", "--pid", "--fork", "--kill-child=SIGKILL"]
        let wrapper = try spawn(
            unshare + [BuiltPrograms.subject, "--status", place + "/run/status", "plain"],
            log: place + "/run/log", directory: place + "/run")
        var started = [wrapper]
        defer { for pid in started where wait(for: pid, until: now()) == nil { kill(pid, SIGKILL) } }
        try #require(poll(until: now() + 60) { text(of: place + "/run/status") == "ready\n" })
        let tree = try #require(processTree(of: wrapper).dropFirst().first)
        let dumped = try Command.run([BuiltPrograms.crplan, "dump", "-t", "\(tree)", "-D", images])
        try #require(dumped.ending == .exit(0), "\(dumped.output)")
        _ = try #require(wait(for: wrapper, until: now() + 30))
        started = []
        let restored = try Command.run([
            BuiltPrograms.crplan, "restore", "-d", "-D", images, "--pidfile", place + "/pid",
        ])
        try #require(restored.ending == .exit(0), "\(restored.output)")
        let root = try #require(text(of: place + "/pid").flatMap { Int32($0) })
        started = [root]
        #expect(text(of: "/proc/\(root)/status")?.contains("NSpid:\t\(root)\t1\n") == true)
        try write("", to: place + "/run/status.check")
        #expect(wait(for: root, until: now() + 60) == .exit(0))
        started = []
        #expect(text(of: place + "/run/status") == "pass\n")
    }
}
