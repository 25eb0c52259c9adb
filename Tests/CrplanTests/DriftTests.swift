import CREngine
import Glibc
import TestSupport
import Testing

@testable import crplan

/// A saved plan is executed on the very trees that it was made for: each thing that can change, on a real program.
@Suite(.serialized, .enabled(if: BuiltPrograms.canApply, "checkpoints need root"))
struct DriftTests {
    /// What the program changes, and what is said of it.
    private static let kinds: [(kind: String, said: String)] = [
        ("program", "program was \(BuiltPrograms.subject), is /"),
        ("child-program", "program was \(BuiltPrograms.subject), is /"),
        ("session", "session was"), ("open", "open descriptors changed"),
        ("child-open", "open descriptors changed"), ("close", "open descriptors changed"),
        ("close-on-exec", "open descriptors changed"), ("reopen", "open descriptors changed"),
        ("map", "mapped files changed"), ("child-map", "mapped files changed"),
        ("unmap", "mapped files changed"), ("fork", "is new"), ("exit", "has ended"),
    ]

    /// A program that has been planned: its plan is in `plan.json`.
    private func planned(_ kind: String, select: String? = nil) throws -> Workload {
        var load = try Workload()
        try load.start([BuiltPrograms.subject, "--status", load.place + "/status", "drift", kind])
        try awaitStatus(load, "ready")
        let policy = """
            version: 1
            name: drift
            select:
              - \(select ?? "cmdline: \"--status \(load.place)/status\"")
            except:
              - comm: sh
            tree: descendants
            store: {path: \(load.store)}

            """
        try write(policy, to: load.directory + "/drift.yaml")
        let plan = try crplan("plan", load.directory + "/drift.yaml", "-o", load.directory + "/plan.json")
        try #require(plan.ending == .exit(0), "\(plan.output)")
        return load
    }

    private func awaitStatus(_ load: borrowing Workload, _ word: String) throws {
        let place = load.place
        let isThere = load.await { text(of: place + "/status") == word + "\n" }
        try #require(isThere, "\(load.contents("status")) \(load.contents("log"))")
    }

    private func change(_ load: borrowing Workload) throws {
        try write("", to: load.place + "/status.check")
        try awaitStatus(load, "changed")
    }

    private func crplan(_ words: String...) throws -> Command {
        try Command.run([BuiltPrograms.crplan] + words)
    }

    /// Words, whatever the lines that they are on.
    private func flat(_ text: String) -> String {
        text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }

    @Test(arguments: kinds) func `a tree that changed is refused with 5, and untouched`(
        kind: String, said: String
    ) throws {
        let load = try planned(kind)
        try change(load)
        let pid = load.root
        // An exec takes a moment after it is announced, and so does an end.
        if kind == "program" {
            let isDone = load.await { text(of: "/proc/\(pid)/comm") == "sleep\n" }
            #expect(isDone)
        }
        if kind == "child-program" || kind == "exit" {
            let isDone = load.await {
                processTree(of: pid).dropFirst().allSatisfy { child in
                    ["sleep\n", nil].contains(text(of: "/proc/\(child)/comm"))
                        || statFields("/proc/\(child)/stat").first == "Z"
                }
            }
            #expect(isDone)
        }
        let tree = processTree(of: load.root)
        let applied = try crplan("apply", load.directory + "/plan.json")
        #expect(applied.ending == .exit(5), "\(applied.output)")
        #expect(flat(applied.output).contains("differs from the plan: subject[\(load.root)]: "))
        #expect(flat(applied.output).contains(said), "\(applied.output)")
        #expect(processTree(of: load.root) == tree)
        #expect(try Store(path: load.store).checkpoints().isEmpty)
    }

    @Test func `what changes in any program is no drift`() throws {
        let load = try planned("nothing")
        try change(load)
        let applied = try crplan("apply", load.directory + "/plan.json")
        #expect(applied.ending == .exit(0), "\(applied.output)")
        #expect(try Store(path: load.store).checkpoints().count == 1)
    }

    @Test func `another program of the same name and arguments is refused`() throws {
        var load = try planned("nothing")
        let first = load.root
        end(processTree(of: first))
        unlink(load.place + "/status")
        try load.start([BuiltPrograms.subject, "--status", load.place + "/status", "drift", "nothing"])
        try awaitStatus(load, "ready")
        let applied = try crplan("apply", load.directory + "/plan.json")
        #expect(applied.ending == .exit(5), "\(applied.output)")
        let said = "subject[\(first)]: it has ended, and pid \(load.root) is in its place"
        #expect(flat(applied.output).contains(said), "\(applied.output)")
        #expect(try Store(path: load.store).checkpoints().isEmpty)
    }

    @Test func `what came after the plan is not dumped with it`() throws {
        let load = try planned("nothing", select: "exe: \(BuiltPrograms.subject)")
        let other = try spawn(
            [BuiltPrograms.subject, "--status", load.place + "/other", "drift", "nothing"],
            log: load.place + "/log", directory: load.place)
        defer { end(processTree(of: other)) }
        let isReady = load.await { text(of: load.place + "/other") == "ready\n" }
        #expect(isReady)
        let applied = try crplan("apply", load.directory + "/plan.json", "--format", "json")
        #expect(applied.ending == .exit(0), "\(applied.output)")
        let report = try Report.decoded(Array(applied.output.utf8), name: "report")
        #expect(report.runs.first?.results.map(\.pid) == [PID(load.root)])
        let runsOn = load.await { statFields("/proc/\(other)/stat").first == "S" }
        #expect(runsOn)
    }
}
