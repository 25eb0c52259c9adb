import TestSupport
import Testing

/// Trees in a user namespace of their own, whose ids are others outside: subjects that find all that they set up, alone in it
/// and with every other kind of namespace beside it.
@Suite(
    .serialized,
    .enabled(if: BuiltPrograms.canCheckpoint, "needs root, and a crplan that has dump and restore"))
struct UserNamespaceTreeTests {
    /// Subjects that cannot set up what they are about, as the root of a user namespace has no rights beyond it.
    static let unable: [String: String] = [
        "notify fanotify": "fanotify_init(2) of its class takes CAP_SYS_ADMIN outside",
        "cgroups": "the hierarchies are the host's",
        "tasks deadline": "SCHED_DEADLINE takes CAP_SYS_NICE outside",
        "devices own": "mknod(2) of devices takes CAP_MKNOD outside",
        "nsfiles": "setns(2) takes CAP_SYS_ADMIN in the owner of namespaces that are the host's",
        "ghosts attributes": "attributes trusted.* take CAP_SYS_ADMIN outside",
    ]
    /// The same where the network namespace is the host's, or the pid namespace the tree's own.
    static let unableInHostNetwork: Set<String> = [
        "inet", "link", "tcp unacked", "tcp finwait", "tcp closing", "tcp lastack",
    ]
    /// pidfds: of an ended process in a pid namespace of the tree's own are a finding; processfiles: /proc is the host's.
    static let unableWithOwnPIDs: Set<String> = ["pidfds", "pidfds thread", "processfiles"]

    static var subjects: [String] { SubjectTests.carried.filter { unable[$0] == nil } + ["usermap"] }

    /// Restored in one suite and left running in the other; by --long both in both.
    private static func steps(_ short: String) -> [String] {
        BuiltPrograms.wantsLongTests ? ["dump,restore,check", "dump-running,check"] : [short]
    }

    static var alone: [SubjectCase] {
        subjects.filter { !unableInHostNetwork.contains($0) }.flatMap { subject in
            steps("dump-running,check").map { SubjectCase(subject: subject, steps: $0) }
        } + [
            SubjectCase(subject: "usermap", steps: "dump-running,cycle:2,check"),
            SubjectCase(subject: "threads", steps: "cycle:2,check"),
            SubjectCase(
                subject: "locks", steps: "dump,restore,check", options: ["--dump-option", "-l"]),
        ]
    }

    static var withOthers: [SubjectCase] {
        let found = NamespaceTests.found
        return subjects.filter { !unableWithOwnPIDs.contains($0) && $0 != "usermap" }.flatMap { subject in
            steps("dump,restore,check").map {
                SubjectCase(subject: subject, steps: $0, options: found)
            }
        } + [
            SubjectCase(subject: "usermap .", steps: "dump,restore,check", options: found),
            SubjectCase(subject: "usermap .", steps: "dump-running,cycle:2,check", options: found),
            SubjectCase(
                subject: "links", steps: "dump,restore,check",
                options: found + ["--dump-option", "--link-remap"]),
        ]
    }

    /// What needs no privilege.
    static var withoutRoot: [SubjectCase] {
        ["plain", "tree", "threads", "files", "events"].flatMap { subject in
            steps("dump,restore,cycle:1,check").map { SubjectCase(subject: subject, steps: $0) }
        }
    }

    /// The map has 1000 and those above, of which nobody has a right to anything.
    @Test(arguments: Self.withoutRoot, ["user,ordinary", "user,ordinary,pid,uts,ipc"])
    func `a subject keeps all that it set up where there is no root`(
        _ row: SubjectCase, _ kinds: String
    ) throws {
        try run(kinds, row)
    }

    /// The init that the namespace gets has the tree's rights, and is below its user namespace, too.
    @Test(arguments: ["plain", "tree", "creds", "usermap", "unix dgram"])
    func `a tree keeps the ids that others have taken`(_ subject: String) throws {
        for steps in ["dump,take-ids,restore,check", "dump,take-ids,restore,cycle:2,check"] {
            try run(
                "user",
                SubjectCase(
                    subject: subject, steps: steps,
                    options: ["--restore-option", NewPIDNamespaceTests.option]))
        }
    }

    @Test(arguments: Self.alone)
    func `a subject keeps all that it set up where only its ids are others`(_ row: SubjectCase) throws {
        try run("user", row)
    }

    @Test(arguments: Self.withOthers)
    func `a subject keeps all that it set up in namespaces that its user namespace owns`(
        _ row: SubjectCase
    ) throws {
        try run("user,pid,mnt,net,uts,ipc", row)
    }

    private func run(_ kinds: String, _ row: SubjectCase) throws {
        let subject = row.subject.split(separator: " ").map(String.init)
        let words = [
            BuiltPrograms.subjectRunner, "--tool", BuiltPrograms.crplan, "--steps", row.steps,
            "--namespaces", kinds,
        ]
        let run = try Command.run(words + row.options + subject, timeout: 150)
        #expect(run.ending == .exit(0), "\(run.output)")
    }
}
