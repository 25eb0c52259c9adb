import Glibc
import TestSupport
import Testing

@testable import CREngine

/// A child in a namespace of its own: of uts and ipc it comes back in one; else the plan tells which and whose, and the dump leaves
/// the tree as it is.
@Suite(
    .serialized,
    .enabled(if: BuiltPrograms.canApply, "needs root, and a crplan that has apply and restore"))
struct NestedNamespaceTests {
    @Test(arguments: [
        ("pid", "CRP301"), ("net", "CRP302"), ("mnt", "CRP303"), ("user", "CRP304"), ("cgroup", "CRP307"),
        ("time", "CRP309"),
    ])
    func `the plan names the namespace and who has it`(_ kind: String, _ code: String) throws {
        var load = try Workload()
        let place = load.place
        try load.start([BuiltPrograms.subject, "--status", place + "/status", "nested", kind])
        try #require(load.await { text(of: place + "/status") == "ready\n" }, "\(load.contents("log"))")
        let own = link(at: "/proc/\(load.root)/ns/\(kind)")
        let tree = processTree(of: load.root)
        let owner = try #require(tree.first { link(at: "/proc/\($0)/ns/\(kind)") != own })
        let inode = try #require(
            link(at: "/proc/\(owner)/ns/\(kind)").map { $0.filter(\.isNumber) })
        let before = Fingerprint(root: load.root)
        let policy = try load.writePolicy("nested", pids: [load.root])
        let plan = try PlannedFindings(of: policy)
        #expect(!plan.isReady)
        let finding = try #require(plan.blocker(code), "\(plan.text)")
        #expect(finding.object.pid?.rawValue == owner)
        #expect(
            finding.what.contains("namespace \(inode) of subject[\(owner)], that of the root is "),
            "\(finding.what)")
        // Of user namespaces none is carried.
        if kind != "user" { #expect(finding.why.contains("first") && finding.why.contains("alone")) }
        #expect(plan.findings.filter { $0.code == finding.code }.count == 1, "\(plan.text)")
        let refused = try Command.run([BuiltPrograms.crplan, "apply", policy])
        #expect(refused.ending == .exit(3), "\(refused.output)")
        #expect(Fingerprint(root: load.root).differences(from: before).isEmpty)
        try write("", to: place + "/status.check")
        #expect(load.ended() == .exit(0), "\(load.contents("status"))")
    }

    /// What the finding tells to do: the tree below whoever has the namespace is a tree as any.
    @Test func `the tree below is dumped alone`() throws {
        try becomeSubreaper()
        let subject = try DumpedSubject(["nested", "net"])
        let owner = try #require(subject.tree.dropFirst().first)
        let words = [BuiltPrograms.crplan, "dump", "-D", subject.images, "-R", "-j", "-t"]
        let whole = try Command.run(words + ["\(subject.root)"])
        #expect(whole.ending != .exit(0) && whole.output.contains("network namespace"), "\(whole.output)")
        let alone = try Command.run(words + ["\(owner)"])
        #expect(alone.ending == .exit(0), "\(alone.output)")
        #expect(names(in: subject.images).contains { $0.hasPrefix("netns-") })
        let verdict = try subject.verdict()
        #expect(verdict == "pass\n")
        let isGone = subject.reapAll()
        #expect(isGone)
    }

    static let carried: [(subject: String, code: String)] = [
        ("nested uts", "CRP305"), ("nested ipc", "CRP306"),
    ]

    static var cases: [(kinds: String, row: SubjectCase)] {
        carried.flatMap { subject, _ in
            ["", "pid,uts,ipc", "user", "user,pid,mnt,net,uts,ipc"].flatMap { kinds in
                ["dump,restore,check", "dump-running,cycle:2,check"].map {
                    (
                        kinds,
                        SubjectCase(
                            subject: subject, steps: $0,
                            options: kinds.contains("mnt") ? NamespaceTests.found : [])
                    )
                }
            }
                + [
                    (
                        "",
                        SubjectCase(
                            subject: subject, steps: "dump,take-ids,restore,cycle:1,check",
                            options: ["--restore-option", NewPIDNamespaceTests.option])
                    )
                ]
        }
    }

    @Test(arguments: Self.cases)
    func `tasks come back in namespaces of their own, and those of one in the same`(
        _ kinds: String, _ row: SubjectCase
    ) throws {
        let options = (kinds.isEmpty ? [] : ["--namespaces", kinds]) + row.options
        let words = [
            BuiltPrograms.subjectRunner, "--tool", BuiltPrograms.crplan, "--steps", row.steps,
            "--timeout", "120",
        ]
        let subject = row.subject.split(separator: " ").map(String.init)
        let run = try Command.run(words + options + subject, timeout: 150)
        #expect(run.ending == .exit(0), "\(run.output)")
    }

    @Test(arguments: Self.carried)
    func `the plan says which namespaces tasks have`(_ words: String, _ code: String) throws {
        let plan = try plan(words)
        #expect(plan.isReady, "\(plan.text)")
        #expect(
            plan.findings.filter { $0.code.rawValue == code && $0.severity == .info }.count == 2,
            "\(plan.text)")
    }

    /// What no image holds of a namespace that is carried otherwise.
    @Test(arguments: [
        ("nested uts outside", "CRP305", "which is that of the host"),
        ("nested ipc outside", "CRP306", "which is that of the host"),
        ("nested net outside", "CRP302", "that of the root is"),
        ("nested ipc queue", "CRP306", "in which there are objects of System V IPC"),
        ("nested ipc segment", "CRP306", "in which there are objects of System V IPC"),
    ])
    func `a namespace that cannot be carried blocks`(_ words: String, _ code: String, _ why: String) throws {
        let plan = try plan(words)
        #expect(!plan.isReady)
        let finding = try #require(plan.blocker(code), "\(plan.text)")
        #expect(finding.what.contains(why), "\(finding.what)")
    }

    private func plan(_ words: String) throws -> PlannedFindings {
        var load = try Workload()
        let place = load.place
        let subject = words.split(separator: " ").map(String.init)
        try load.start([BuiltPrograms.subject, "--status", place + "/status"] + subject)
        try #require(load.await { text(of: place + "/status") == "ready\n" }, "\(load.contents("log"))")
        let plan = try PlannedFindings(of: try load.writePolicy("nested", pids: [load.root]))
        try write("", to: place + "/status.check")
        #expect(load.ended() == .exit(0), "\(load.contents("status"))")
        return plan
    }

    /// An image that names a namespace which it does not have.
    @Test func `an image without the names of a namespace is refused before anything is made`() throws {
        let dumped = try DumpedSubject(["nested", "uts"])
        try dumped.dump()
        let isGone = dumped.reapAll()
        try #require(isGone)
        let file = try #require(names(in: dumped.images).first { $0.hasPrefix("utsns-") })
        rename("\(dumped.images)/\(file)", dumped.images + "/other")
        let refused = try dumped.restore()
        #expect(refused.ending == .exit(1))
        #expect(refused.output.contains(file), "\(refused.output)")
        rename(dumped.images + "/other", "\(dumped.images)/\(file)")
        let restored = try dumped.restore()
        #expect(restored.ending == .exit(0), "\(restored.output)")
        let verdict = try dumped.verdict()
        #expect(verdict == "pass\n")
        let hasEnded = dumped.reapAll()
        #expect(hasEnded)
    }
}
