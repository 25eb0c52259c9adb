import Glibc
import TestSupport
import Testing

@testable import CREngine

/// A child in a namespace of its own: the plan tells which and whose, and the dump leaves the tree as it is.
@Suite(
    .serialized,
    .enabled(if: BuiltPrograms.canApply, "needs root, and a crplan that has apply and restore"))
struct NestedNamespaceTests {
    @Test(arguments: [
        ("pid", "CRP301"), ("net", "CRP302"), ("mnt", "CRP303"), ("user", "CRP304"), ("uts", "CRP305"),
        ("ipc", "CRP306"), ("cgroup", "CRP307"), ("time", "CRP309"),
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
        let subject = try DumpedSubject(["nested", "uts"])
        let owner = try #require(subject.tree.dropFirst().first)
        let words = [BuiltPrograms.crplan, "dump", "-D", subject.images, "-R", "-j", "-t"]
        let whole = try Command.run(words + ["\(subject.root)"])
        #expect(whole.ending != .exit(0) && whole.output.contains("uts namespace"), "\(whole.output)")
        let alone = try Command.run(words + ["\(owner)"])
        #expect(alone.ending == .exit(0), "\(alone.output)")
        #expect(names(in: subject.images).contains { $0.hasPrefix("utsns-") })
        let verdict = try subject.verdict()
        #expect(verdict == "pass\n")
        let isGone = subject.reapAll()
        #expect(isGone)
    }
}
