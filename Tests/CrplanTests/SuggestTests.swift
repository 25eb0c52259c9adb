import CREngine
import Glibc
import TestSupport
import Testing

/// What `crplan suggest` prints, put into a policy, makes its tree ready.
@Suite(
    .serialized, .enabled(if: BuiltPrograms.canApply, "needs root, and a crplan that has apply and restore"))
struct SuggestTests {
    private func started(_ subject: [String]) throws -> Workload {
        var load = try Workload()
        try load.start([BuiltPrograms.subject, "--status", load.place + "/status"] + subject)
        let place = load.place
        try #require(load.await { text(of: place + "/status") == "ready\n" }, "\(subject)")
        return load
    }

    @Test(arguments: [
        ("links", "link-remap"), ("devices", "evasive-devices"), ("unix outside-dgram", "ext-unix-sk"),
        ("locks", "file-locks"), ("holder lease", "file-locks"), ("holder outside-pipe", "stdio ext-pipes"),
        ("notify deleted", "fsnotify"),
    ])
    func `a suggestion makes the tree ready`(_ subject: String, _ keys: String) throws {
        let load = try started(subject.split(separator: " ").map(String.init))
        let suggested = try Command.run([BuiltPrograms.crplan, "suggest", "\(load.root)"])
        #expect(suggested.ending == .exit(0), "\(suggested.output)")
        #expect(
            keys.split(separator: " ").contains { suggested.output.contains("  \($0):") },
            "\(suggested.output)")
        let policy = try load.writePolicy("suggested", pids: [load.root])
        let before = try Command.run([BuiltPrograms.crplan, "plan", policy])
        #expect(before.ending == .exit(3), "\(before.output)")
        let same = try Command.run([BuiltPrograms.crplan, "suggest", policy])
        try write((text(of: policy) ?? "") + suggested.output, to: policy)
        let after = try Command.run([BuiltPrograms.crplan, "plan", policy])
        #expect(after.ending == .exit(0), "\(suggested.output)\n\(after.output)")
        #expect(!after.output.contains("CRP810"), "nothing needless: \(after.output)")
        // A policy that allows nothing needs what the tree needs.
        func rules(_ text: String) -> [Substring] { text.split(separator: "\n").filter { !$0.contains("#") } }
        #expect(rules(same.output) == rules(suggested.output))
        let done = try Command.run([BuiltPrograms.crplan, "suggest", policy])
        #expect(
            done.ending == .exit(0) && done.output.hasSuffix("1 tree, ready as it is\n"), "\(done.output)")
    }

    /// Subjects of the table of promises that something blocks: with its suggestion each is ready, where any allowance
    /// makes it so.
    @Test func `every subject that can be allowed is ready by its suggestion`() throws {
        let rows = PlannerPromiseTests.special
        // One with another that no allowance helps.
        let helpless: Set = ["holder unix-passed-connection"]
        let allowed = Set(rows.filter { $0.allow != "{}" }.map(\.subject)).union([
            "holder outside-pipe", "holder device",
        ])
        var seen: Set<String> = []
        for subject in rows.map(\.subject) where seen.insert(subject).inserted {
            let load = try started(subject.split(separator: " ").map(String.init))
            let policy = try load.writePolicy("suggested", pids: [load.root])
            let before = try Command.run([BuiltPrograms.crplan, "plan", policy])
            let suggested = try Command.run([BuiltPrograms.crplan, "suggest", "\(load.root)"])
            if before.ending == .exit(0) {
                #expect(suggested.output.hasSuffix("ready as it is\n"), "\(subject): \(suggested.output)")
                continue
            }
            if suggested.ending == .exit(3) {
                #expect(suggested.output.contains("# still blocks: CRP"), "\(subject): \(suggested.output)")
                #expect(
                    !allowed.contains(subject) || helpless.contains(subject),
                    "\(subject): \(suggested.output)")
                continue
            }
            #expect(suggested.ending == .exit(0), "\(subject): \(suggested.output)")
            try write((text(of: policy) ?? "") + suggested.output, to: policy)
            let after = try Command.run([BuiltPrograms.crplan, "plan", policy])
            #expect(after.ending == .exit(0), "\(subject): \(suggested.output)\n\(after.output)")
            #expect(!after.output.contains("CRP810"), "\(subject): \(after.output)")
        }
        #expect(seen.count > 50)
    }

    @Test func `a rule goes before the one that denies`() throws {
        let load = try started(["tcp", "orphan"])
        let rules =
            "allow: {tcp-established: [{peer: 10.0.0.0/8, action: keep}, {peer: any, action: deny}]}\n"
        let policy = try load.writePolicy("denies", pids: [load.root])
        try write((text(of: policy) ?? "") + rules, to: policy)
        let suggested = try Command.run([BuiltPrograms.crplan, "suggest", policy])
        #expect(suggested.ending == .exit(0), "\(suggested.output)")
        #expect(suggested.output.contains("allow.tcp-established[1]"), "\(suggested.output)")
        let rule = try #require(suggested.output.split(separator: "\n").first { $0.contains("- {peer:") })
        let added = rules.replacing(", {peer: any", with: ", \(rule.drop { $0 != "{" }), {peer: any")
        try write((text(of: policy) ?? "").replacing(rules, with: added), to: policy)
        let after = try Command.run([BuiltPrograms.crplan, "plan", policy])
        #expect(after.ending == .exit(0), "\(added)\n\(after.output)")
    }

    @Test func `what no allowance lets pass is told, with exit 3`() throws {
        let load = try started(["holder", "userfaultfd"])
        let suggested = try Command.run([BuiltPrograms.crplan, "suggest", "\(load.root)"])
        #expect(suggested.ending == .exit(3))
        #expect(suggested.output.contains("# still blocks: CRP"), "\(suggested.output)")
        let gone = try Command.run([BuiltPrograms.crplan, "suggest", "4194303"])
        #expect(gone.ending == .exit(1) && gone.output.split(separator: "\n").count == 1, "\(gone.output)")
    }
}
