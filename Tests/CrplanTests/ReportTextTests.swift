import CREngine
import FoundationEssentials
import PolicyModel
import Testing

@testable import crplan

/// Reports of plans that are built here, so that each line is known.
@Suite struct ReportTextTests {
    private let plain = ReportText(terminal: Terminal(usesColour: false, width: 100))

    private func digest() throws -> Digest { try Digest.of([]) }

    private func target(_ pid: Int32, _ findings: [Finding]) throws -> PlannedTarget {
        var stat = TaskStat()
        stat.id = pid
        let root = TaskFacts(stat: stat)
        var snapshot = Snapshot(collector: PID(1), root: PID(pid), isFrozen: false)
        snapshot.tasks = [root]
        return PlannedTarget(
            name: "solver-\(pid)", pid: PID(pid), comm: "solver", processes: 9, threads: 34,
            resident: 6_657_199_309, findings: findings, steps: [],
            fingerprint: try TreeFingerprint(snapshot, root: root))
    }

    private func report(_ command: Report.Command, _ targets: [PlannedTarget], _ findings: [Finding] = [])
        throws
        -> Report
    {
        var host = HostFacts.collect()
        host.name = "node7"
        let date = Date(timeIntervalSince1970: 1_795_418_220)
        let plan = Plan(
            policy: "nightly", policyDigest: try digest(), created: date, host: host, examined: 412,
            findings: findings, targets: targets)
        var report = Report(version: "test", command: command, date: date)
        var run = PolicyRun(policy: "nightly", keepsGoing: true)
        run.plan = plan
        run.milliseconds = 18
        report.runs = [run]
        return report
    }

    private func tcp(_ fd: Int32) -> Finding {
        Finding(
            .tcpEstablished, FindingObject(pid: PID(5121), fd: fd),
            "established tcp 10.1.3.7:40122 -> 203.0.113.9:8443",
            remedy: "allow: {tcp-established: [{peer: PEER, action: keep}]}")
    }

    @Test func `a plan reads as a table with reasons and remedies under what blocks`() throws {
        let text = plain.render(try report(.plan, [target(4711, []), target(5120, [tcp(9), tcp(10)])]))
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        #expect(lines[0].hasPrefix("crplan plan   policy nightly   host node7   20"))
        #expect(lines[1] == "2 trees match, 412 processes looked at in 18 ms")
        #expect(lines[3] == "+ solver[4711]      9 processes, 34 threads, 6.2 GiB resident    solver-4711")
        #expect(lines[4] == "✘ solver[5120]      9 processes, 34 threads, 6.2 GiB resident    solver-5120")
        #expect(
            lines[5]
                == "    block    CRP221 established tcp 10.1.3.7:40122 -> 203.0.113.9:8443    pid 5121 fd 9")
        #expect(lines[6].hasSuffix("pid 5121 fd 10"))
        #expect(lines[7].hasPrefix("             The peer"))
        #expect(text.contains("\n             allow: {tcp-established: "))
        #expect(text.contains("\nPlan: 1 ready, 1 blocked. 2 blocking findings, 0 warnings."))
    }

    @Test func `of a crowd of findings the first are told, and how many more there are`() throws {
        let crowd = (0..<1000).map { tcp(Int32($0)) }
        let text = plain.render(try report(.plan, [target(5120, crowd + [tcp(2000)])]))
        #expect(text.split(separator: "\n").count { $0.contains("established tcp") } == 11)
        #expect(text.contains("    block    CRP221 and 990 more like these; --format json tells all\n"))
        #expect(text.contains("1001 blocking findings"))
        #expect(plain.render(try report(.plan, [target(5120, Array(crowd[..<12]))])).contains("fd 11\n"))
    }

    @Test(arguments: [72, 80, 160]) func `no line is wider than the terminal`(width: Int) throws {
        let narrow = ReportText(terminal: Terminal(usesColour: false, width: width))
        let text = narrow.render(try report(.plan, [target(5120, [tcp(9)])]))
        for line in text.split(separator: "\n")
        where !line.hasPrefix("crplan plan") && !line.contains("allow:") {
            #expect(line.count <= width, "\(line)")
        }
    }

    @Test func `colour is there only when asked for`() throws {
        let report = try report(.plan, [target(5120, [tcp(9)])])
        #expect(!plain.render(report).contains("\u{1B}"))
        let colourful = ReportText(terminal: Terminal(usesColour: true, width: 100)).render(report)
        #expect(colourful.contains("\u{1B}[1;31mblock"))
    }

    @Test func `a dumped target tells its checkpoint, size and pause`() throws {
        var report = try report(.apply, [target(4711, [])])
        var reply = DumpReply(.dumped)
        var times = Manifest.Times()
        times.freezing = 1400
        times.frozen = 35_000
        reply.checkpoint = CheckpointRecord(
            id: "nightly/solver-4711/x", path: "/s", bytes: 2048, times: times, isConfirmed: true)
        report.runs[0].results = [TargetResult(target: "solver-4711", pid: PID(4711), reply: reply)]
        let text = plain.render(report)
        #expect(text.contains("✔ solver[4711]"))
        #expect(text.contains("2 KiB, paused for 36.4 ms, read back and found good"))
        #expect(text.contains("Result: 1 dumped"))
    }

    @Test func `the exit code follows from the report`() throws {
        func apply(_ outcomes: [DumpReply.Outcome], blocked: Bool = false) throws -> crplan.ExitStatus {
            var targets = try outcomes.indices.map { try target(Int32($0 + 1), []) }
            if blocked { targets.append(try target(99, [tcp(3)])) }
            var report = try report(.apply, targets)
            report.runs[0].results = outcomes.enumerated().map {
                TargetResult(target: "solver-\($0.offset + 1)", pid: PID(1), reply: DumpReply($0.element))
            }
            return crplan.ExitStatus(apply: report)
        }
        #expect(try apply([.dumped, .dumped]) == .done)
        #expect(try apply([.dumped, .failed]) == .partial)
        #expect(try apply([.dumped], blocked: true) == .partial)
        #expect(try apply([.failed, .failed]) == .failed)
        #expect(try apply([], blocked: true) == .blocked)
        #expect(try apply([.blocked]) == .blocked)
        #expect(try apply([.dumped, .unsafe]) == .unsafe)
        #expect(try apply([.skipped]) == .skipped)
        #expect(try apply([]) == .done)

        let nothing = Finding(.nothingMatched, FindingObject(key: "select"), "no process", severity: .block)
        let empty = try report(.plan, [], [nothing])
        #expect(crplan.ExitStatus(plan: empty, failsOnWarnings: false) == .nothingMatched)
        let warned = try report(
            .plan, [], [Finding(.nothingMatched, FindingObject(key: "select"), "no process")])
        #expect(crplan.ExitStatus(plan: warned, failsOnWarnings: false) == .done)
        #expect(crplan.ExitStatus(plan: warned, failsOnWarnings: true) == .warnings)
    }

    @Test func `the JSON of a report comes back as it went`() throws {
        let report = try report(.plan, [target(5120, [tcp(9)])])
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        let text = try report.json()
        #expect(try decoder.decode(Report.self, from: Data(text.utf8)) == report)
        #expect(text.contains("\"schema\" : 1"))
        #expect(text.contains("\"CRP221\""))
    }

    /// All kinds of findings, in the wrong order, and a long path.
    private func mixed() throws -> Report {
        let path =
            "/srv/solver/a-directory-with-a-rather-long-name/and-another-one-below-it/and-a-third"
            + "/checkpoint-data.bin"
        let ghost = Finding(
            .ghostFile, FindingObject(pid: PID(5120), fd: 4, path: path), path + ", deleted, 0 bytes")
        let name = Finding(.sameName, FindingObject(pid: PID(5120)), "target solver-5120.2")
        return try report(.plan, [target(4711, []), target(5120, [ghost, name, tcp(9), tcp(10)])])
    }

    @Test func `a plan on 80 columns`() throws {
        let narrow = ReportText(terminal: Terminal(usesColour: false, width: 80, breaksPaths: true))
        let lines = try narrow.render(mixed()).split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.allSatisfy { $0.count <= 80 })
        #expect(
            lines.dropFirst().joined(separator: "\n") == """
                2 trees match, 412 processes looked at in 18 ms

                + solver[4711]      9 processes, 34 threads, 6.2 GiB resident    solver-4711
                ✘ solver[5120]      9 processes, 34 threads, 6.2 GiB resident    solver-5120
                    block    CRP221 established tcp 10.1.3.7:40122 -> 203.0.113.9:8443
                                    pid 5121 fd 9
                    block    CRP221 established tcp 10.1.3.7:40122 -> 203.0.113.9:8443
                                    pid 5121 fd 10
                             The peer cannot be frozen together with the tree, and must not give
                             up before the restore.
                             allow: {tcp-established: [{peer: PEER, action: keep}]}
                    warn     CRP804 target solver-5120.2    pid 5120
                             Two trees have the same program and arguments; the later one is
                             told apart by a number.
                    info     CRP110 /srv/solver/a-directory-with-a-rather-long-name
                                    /and-another-one-below-it/and-a-third/checkpoint-data.bin,
                                    deleted, 0 bytes
                                    pid 5120 fd 4

                Plan: 1 ready, 1 blocked. 2 blocking findings, 1 warning. Nothing was
                      stopped to make this report.
                """)
    }

    @Test func `a plan on 160 columns`() throws {
        let wide = ReportText(terminal: Terminal(usesColour: false, width: 160, breaksPaths: true))
        let text = try wide.render(mixed())
        #expect(
            text.split(separator: "\n", omittingEmptySubsequences: false).dropFirst().joined(separator: "\n")
                == """
                2 trees match, 412 processes looked at in 18 ms

                + solver[4711]      9 processes, 34 threads, 6.2 GiB resident    solver-4711
                ✘ solver[5120]      9 processes, 34 threads, 6.2 GiB resident    solver-5120
                    block    CRP221 established tcp 10.1.3.7:40122 -> 203.0.113.9:8443    pid 5121 fd 9
                    block    CRP221 established tcp 10.1.3.7:40122 -> 203.0.113.9:8443    pid 5121 fd 10
                             The peer cannot be frozen together with the tree, and must not give up before the restore.
                             allow: {tcp-established: [{peer: PEER, action: keep}]}
                    warn     CRP804 target solver-5120.2    pid 5120
                             Two trees have the same program and arguments; the later one is told apart by a number.
                    info     CRP110 /srv/solver/a-directory-with-a-rather-long-name/and-another-one-below-it/and-a-third/checkpoint-data.bin, deleted, 0 bytes    pid 5120 fd 4

                Plan: 1 ready, 1 blocked. 2 blocking findings, 1 warning. Nothing was stopped to make this report.
                """)
        let colourful = ReportText(terminal: Terminal(usesColour: true, width: 160, breaksPaths: true))
        let painted = try colourful.render(mixed())
        #expect(painted != text && painted.replacing(/\u{1B}\[[0-9;]*m/, with: "") == text)
    }

    @Test func `a long path stays whole where nobody sees a terminal`() throws {
        let file = ReportText(terminal: Terminal(usesColour: false, width: 80))
        #expect(
            try file.render(mixed()).contains("/and-another-one-below-it/and-a-third/checkpoint-data.bin"))
    }

    @Test func `a head that is too wide comes on lines of its own`() throws {
        var report = try report(.plan, [])
        report.runs[0].policy = String(repeating: "long-", count: 9) + "name"
        let narrow = ReportText(terminal: Terminal(usesColour: false, width: 80))
        let lines = narrow.render(report).split(separator: "\n")
        #expect(lines[0] == "crplan plan   policy \(report.runs[0].policy)")
        #expect(lines[1] == "              host node7")
    }

    @Test func `trees that there is much to say of are set apart`() throws {
        let text = plain.render(try report(.plan, [target(1, [tcp(3)]), target(2, []), target(3, [])]))
        #expect(text.contains("\n\n+ solver[2]") && text.contains("\n+ solver[3]"))
        #expect(!text.contains("\n\n+ solver[3]"))
    }
}
