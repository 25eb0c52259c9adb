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
        ("ipc", ["sysv", "sysv undo"]),
        ("pid", ["plain", "tree", "threads", "signals", "unix pair", "fdshare", "terminals session"]),
        ("pid,uts,ipc", ["tree", "timers", "events", "pipes", "sysv", "creds", "tasks orphans"]),
    ]

    static var cases: [(kinds: String, row: SubjectCase)] {
        rows.flatMap { row in
            row.subjects.flatMap { subject in
                ["dump,restore,check", "dump-running,check"].map {
                    (row.kinds, SubjectCase(subject: subject, steps: $0))
                }
            }
        } + [
            ("pid,uts,ipc", SubjectCase(subject: "tree", steps: "dump-running,cycle:3,check")),
            ("pid", SubjectCase(subject: "pidfds", steps: "dump-blocked,check")),
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
}
