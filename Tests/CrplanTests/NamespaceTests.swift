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
