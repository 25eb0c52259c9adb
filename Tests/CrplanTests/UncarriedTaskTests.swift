import Glibc
import TestSupport
import Testing

@testable import CREngine

/// Ways of being a task that are not carried: the plan names each, and the dump leaves the tree as it is.
@Suite(
    .serialized,
    .enabled(if: BuiltPrograms.canApply, "needs root, and a crplan that has apply and restore"))
struct UncarriedTaskTests {
    @Test(arguments: [
        ("shared-memory", "CRP605", "address space shared with "),
        ("shared-handlers", "CRP608", "signal handlers shared with "),
        ("own-files", "CRP609", "thread "), ("vfork", "CRP604", "address space shared with "),
        ("program32", "CRP618", "program32"),
    ])
    func `the plan names it, and the tree is not harmed`(_ kind: String, _ code: String, _ object: String)
        throws
    {
        var load = try Workload()
        let place = load.place
        try load.start([BuiltPrograms.subject, "--status", place + "/status", "uncarried", kind])
        try #require(load.await { text(of: place + "/status") == "ready\n" }, "\(load.contents("log"))")
        let before = Fingerprint(root: load.root)
        let policy = try load.writePolicy("uncarried", pids: [load.root])
        let plan = try PlannedFindings(of: policy)
        #expect(!plan.isReady)
        let finding = try #require(plan.blocker(code), "\(plan.text)")
        #expect(finding.what.contains(object), "\(finding.what)")
        #expect(finding.remedy == nil && !finding.why.isEmpty)
        #expect(processTree(of: load.root).contains(finding.object.pid?.rawValue ?? 0))
        let refused = try Command.run([BuiltPrograms.crplan, "apply", policy])
        #expect(refused.ending == .exit(3), "\(refused.output)")
        #expect(Fingerprint(root: load.root).differences(from: before).isEmpty)
        try write("", to: place + "/status.check")
        #expect(load.ended() == .exit(0), "\(load.contents("status"))")
    }

    /// Nothing in /proc tells of it, so the dump does once the tree is stopped, and lets it go on.
    @Test func `syscall user dispatch is refused by a dump, and goes on`() throws {
        var load = try Workload()
        let place = load.place
        try load.start([BuiltPrograms.subject, "--status", place + "/status", "uncarried", "dispatch"])
        try #require(load.await { text(of: place + "/status") == "ready\n" }, "\(load.contents("log"))")
        mkdir(load.directory + "/images", 0o700)
        let refused = try Command.run([
            BuiltPrograms.crplan, "dump", "-t", "\(load.root)", "-D", load.directory + "/images",
        ])
        #expect(refused.ending == .exit(1) && refused.output.contains("syscall user dispatch"))
        #expect(refused.output.contains("\(load.root)"), "\(refused.output)")
        try write("", to: place + "/status.check")
        #expect(load.ended() == .exit(0), "\(load.contents("status"))")
    }
}
