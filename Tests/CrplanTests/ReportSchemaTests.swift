import CREngine
import Foundation
import Glibc
import TestSupport
import Testing

@testable import crplan

/// Real reports against docs/report.schema.json, by Debian's python3-jsonschema.
@Suite(
    .serialized, .enabled(if: BuiltPrograms.canApply, "checkpoints need root"),
    .enabled(if: BuiltPrograms.hasSchemaValidator, "needs python3-jsonschema of Debian, see scripts/setup"))
struct ReportSchemaTests {
    private static let schema = BuiltPrograms.sources + "/docs/report.schema.json"
    private static let validate = """
        import json, sys, jsonschema
        schema = json.load(open(sys.argv[1]))
        jsonschema.Draft202012Validator.check_schema(schema)
        faults = list(jsonschema.Draft202012Validator(schema).iter_errors(json.load(open(sys.argv[2]))))
        for fault in faults: print("/".join(map(str, fault.absolute_path)) + ": " + fault.message[:300])
        sys.exit(1 if faults else 0)
        """

    /// What is wrong with a report, one line each.
    private func faults(_ report: String, in directory: String) throws -> String {
        let path = directory + "/report.json"
        try write(report, to: path)
        let answer = try Command.run(["/usr/bin/python3", "-c", Self.validate, Self.schema, path])
        return answer.ending == .exit(0) ? "" : answer.output + "\(answer.ending)"
    }

    private func policy(_ load: borrowing Workload, _ name: String, _ more: String) throws -> String {
        let path = load.directory + "/\(name).yaml"
        let text = "version: 1\nname: \(name)\nselect:\n  - pid: \(load.root)\nstore: {path: \(load.store)}\n"
        try write(text + more + "\n", to: path)
        return path
    }

    private func started(_ words: [String]) throws -> Workload {
        var load = try Workload()
        try load.start(words)
        let pid = load.root
        let runs = load.await { link(at: "/proc/\(pid)/exe") != nil && text(of: "/proc/\(pid)/comm") != nil }
        try #require(runs)
        return load
    }

    private func report(_ words: String...) throws -> String {
        try Command.run([BuiltPrograms.crplan] + words + ["--format", "json"]).output
    }

    @Test func `plans and runs of a tree that is ready fit`() throws {
        var load = try started(["/bin/sleep", "86400"])
        let file = try policy(load, "ready", "retention: {keep-last: 1}\nallow: {shell-job: true}")
        let plan = try report("plan", file)
        #expect(try faults(plan, in: load.directory) == "")
        #expect(plan.contains("\"CRP810\""))
        let saved = load.directory + "/plan.json"
        try write(plan, to: saved)
        let pid = load.root
        for _ in 0..<2 {
            let applied = try report("apply", file)
            #expect(try faults(applied, in: load.directory) == "")
            #expect(applied.contains("\"isConfirmed\" : true") && applied.contains("\"pruned\""))
            #expect(reap([pid], session: pid, until: now() + 10))
            #expect(try load.restore("ready").ending == .exit(0))
        }
        end([pid])
        let refused = try report("apply", saved)
        #expect(try faults(refused, in: load.directory) == "")
        #expect(refused.contains("it has ended"))
    }

    @Test func `plans of what is blocked, and runs that begin nothing, fit`() throws {
        let load = try started([BuiltPrograms.subject, "--status", "status", "holder", "userfaultfd"])
        let place = load.place
        let isReady = load.await { text(of: place + "/status") == "ready\n" }
        try #require(isReady)
        let file = try policy(
            load, "blocked",
            "max-targets: 1\ndump: {compress: zstd}\nallow: {tcp-established: [{action: close}]}")
        let plan = try report("plan", file)
        #expect(try faults(plan, in: load.directory) == "")
        #expect(plan.contains("\"CRP801\"") && plan.contains("\"CRP131\""))
        #expect(try faults(report("apply", file), in: load.directory) == "")
        let lock = try PolicyLock(policy: "blocked")
        let locked = try report("apply", file)
        #expect(lock.tookOverFrom == nil && locked.contains("\"isLocked\" : true"))
        #expect(try faults(locked, in: load.directory) == "")
    }

    @Test func `runs with hooks, tries and a worker that died fit`() throws {
        let load = try started(["/bin/sleep", "86400"])
        let hook = load.directory + "/hook"
        try write("#!/bin/sh\n. \(load.directory)/action\n", to: hook, mode: 0o755)
        let file = try policy(
            load, "hooked",
            """
            dump: {after: leave-running, filesystem: unsafe-ignore}
            batch: {retries: 1, backoff: 10ms}
            hooks:
              - {name: early, at: before-scan, argv: [\(hook), early], on-error: ignore}
              - {name: amid, at: frozen, argv: [\(hook), amid]}
            """)
        for (action, fact) in [
            ("true", "\"dumped\""), ("[ $1 = amid ] || exit 75", "\"isSkipped\" : true"),
            ("[ $1 = early ] || exit 75", "\"skipped\""), ("[ $1 = early ] || exit 3", "\"failed\""),
            ("[ $1 = early ] || kill -9 $PPID", "\"workerDied\" : true"),
        ] {
            try write(action + "\n", to: load.directory + "/action")
            let applied = try report("apply", file)
            #expect(try faults(applied, in: load.directory) == "", "\(action)")
            #expect(applied.contains(fact), "\(action): \(applied)")
        }
    }

    @Test func `the schema is strict, and knows what the program knows`() throws {
        let load = try started(["/bin/sleep", "86400"])
        let plan = try report("plan", policy(load, "strict", ""))
        for (found, changed) in [
            ("\"milliseconds\"", "\"moreSeconds\""), ("\"resident\"", "\"residue\""),
            ("\"command\" : \"plan\"", "\"command\" : \"dump\""), ("\"schema\" : 1", "\"schema\" : 2"),
            ("\"startTime\"", "\"start\""),
        ] {
            #expect(plan.contains(found))
            let broken = plan.replacingOccurrences(of: found, with: changed)
            #expect(try faults(broken, in: load.directory) != "", "\(changed)")
        }
        let schema = try #require(text(of: Self.schema))
        func list(_ words: [String]) -> String {
            "[" + words.map { "\"\($0)\"" }.joined(separator: ", ") + "]"
        }
        #expect(schema.contains(list(Finding.Severity.allCases.map(\.rawValue))))
        #expect(schema.contains(list(DumpReply.Outcome.allCases.map(\.rawValue))))
    }

    @Test(arguments: ["html", "sarif", "junit", "xml"]) func `a format that is not there is refused by name`(
        format: String
    ) throws {
        let answer = try Command.run([BuiltPrograms.crplan, "plan", "/dev/null", "--format", format])
        #expect(answer.ending == .exit(64))
        #expect(answer.output.contains("'\(format)' is invalid for '--format <format>'"), "\(answer.output)")
        #expect(answer.output.contains("'text'") && answer.output.contains("'json'"), "\(answer.output)")
    }
}
