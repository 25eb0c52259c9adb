import FoundationEssentials
import Glibc
import PolicyModel
import TestSupport
import Testing

@testable import crplan

/// Each matcher on processes of this host, through the program.
@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root to look at processes of others"))
struct MatchTests {
    private struct Setting: ~Copyable {
        let directory: String
        private(set) var pids: [Int32] = []

        init() throws { directory = try makeDirectory(in: "/tmp") }

        deinit {
            end(pids)
            remove(directory)
        }

        /// Starts a program and waits until it is the one that is meant.
        mutating func start(_ words: [String], comm: String) throws -> Int32 {
            let pid = try spawn(words, log: directory + "/log", directory: "/")
            pids.append(pid)
            #expect(poll(until: now() + 20) { trimmed(text(of: "/proc/\(pid)/comm") ?? "") == comm })
            return pid
        }

        func match(_ select: String, _ more: String = "", near: Int = 100_000) throws -> MatchReport {
            let path = directory + "/policy.yaml"
            try write("version: 1\nname: x\nselect: [\(select)]\n\(more)", to: path)
            let output = directory + "/report"
            let words = "\(BuiltPrograms.crplan) match --format json --near \(near) \(path) > \(output)"
            let run = try Command.run(["/bin/sh", "-c", words])
            #expect(run.ending == .exit(0), "\(run.output)")
            let document = try JSONDecoder().decode(
                MatchDocument.self, from: Data((text(of: output) ?? "").utf8))
            return try #require(document.policies.first)
        }

        func isMatched(_ pid: Int32, _ select: String) throws -> Bool {
            try match(select, near: 0).matches.contains { $0.pid == pid }
        }
    }

    @Test func `user, group, environment, session, terminal, age, time and memory of a live process`() throws
    {
        var setting = try Setting()
        let pid = try setting.start(
            [
                "/usr/bin/setpriv", "--reuid=4321", "--regid=4322", "--clear-groups", "/usr/bin/env", "-i",
                "CRPLAN_TEST=mark 7", "/usr/bin/sleep", "98761",
            ], comm: "sleep")
        for (yes, no) in [
            ("user: 4321", "user: 4322"), ("group: [1, 4322]", "group: 4321"),
            ("env: {CRPLAN_TEST: \"mark *\"}", "env: {CRPLAN_TEST: x}"), ("session: \(pid)", "session: 1"),
            ("tty: none", "tty: \"**\""), ("min-age: 0", "min-age: 1d"),
            ("min-cpu-time: 0", "min-cpu-time: 1h"), ("max-rss: 64MiB", "min-rss: 64MiB"),
            ("exe: /usr/bin/sleep", "exe: /bin/*"), ("cmdline: 'sleep 98761$'", "cmdline: 'sleep$'"),
        ] {
            #expect(try setting.isMatched(pid, "{pid: \(pid), \(yes)}"), "\(yes)")
            #expect(try !setting.isMatched(pid, "{pid: \(pid), \(no)}"), "\(no)")
        }
    }

    @Test func `the control group of a live process, in cgroup2 or in the v1 controllers`() throws {
        var setting = try Setting()
        let pid = try setting.start(["/usr/bin/sleep", "98762"], comm: "sleep")
        let rows = (text(of: "/proc/\(pid)/cgroup") ?? "").split(separator: "\n").map {
            $0.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
        }
        let unified = rows.first { $0[0] == "0" }.map { String($0[2]) }
        let expected = unified == nil || unified == "/" ? rows.map { String($0[2]) } : [unified ?? ""]
        for path in expected { #expect(try setting.isMatched(pid, "{pid: \(pid), cgroup: \"\(path)\"}")) }
        #expect(try !setting.isMatched(pid, "{pid: \(pid), cgroup: /no/such/group}"))
    }

    @Test func `the controlling terminal of a live process`() throws {
        var setting = try Setting()
        let file = setting.directory + "/pid"
        _ = try setting.start(
            ["/usr/bin/script", "-qec", "echo $$ > \(file); exec sleep 98763", "/dev/null"], comm: "script")
        #expect(poll(until: now() + 20) { Int32(trimmed(text(of: file) ?? "")) != nil })
        let pid = try #require(Int32(trimmed(text(of: file) ?? "")))
        #expect(try setting.isMatched(pid, "{pid: \(pid), tty: \"pts/*\"}"))
        #expect(try setting.isMatched(pid, "{pid: \(pid), tty: \"/dev/pts/*\"}"))
        #expect(try !setting.isMatched(pid, "{pid: \(pid), tty: none}"))
    }

    @Test func `a near miss tells which key refused and with what value, and except that it won`() throws {
        var setting = try Setting()
        let pid = try setting.start(["/usr/bin/sleep", "98764"], comm: "sleep")
        let report = try setting.match("{cmdline: 'sleep 98764', comm: sleep, user: 4321, min-rss: 1GiB}")
        #expect(report.matches.isEmpty)
        let miss = try #require(report.nearMisses.first)
        #expect(miss.pid == pid && miss.entry == "select[0]" && Set(miss.meets) == ["comm", "cmdline"])
        #expect(miss.refused.map(\.key) == ["min-rss", "user"])
        #expect(miss.refused.map(\.wanted) == ["1GiB", "4321"])
        #expect(miss.refused.last?.value == "root (0)")
        let excepted = try setting.match("{pid: \(pid)}", "except: [{comm: sleep}]\n")
        #expect(excepted.matches.isEmpty)
        #expect(
            excepted.excluded == [.init(pid: pid, comm: "sleep", reason: "except[0] takes it out")])
    }

    @Test func `crplan and what it runs under are never selected, and that is told`() throws {
        let setting = try Setting()
        let report = try setting.match("{pid: \(getpid())}")
        #expect(report.matches.isEmpty)
        #expect(report.excluded.map(\.pid) == [getpid()])
        #expect(report.excluded.first?.reason.hasPrefix("never selected") == true)
    }

    @Test func `the text wraps on a narrow terminal and holds nothing that steers it`() throws {
        let row = MatchReport.Refusal(key: "cmdline", wanted: "x", value: "a\u{1B}[31m \u{202E}b")
        let near = MatchReport.Near(
            pid: 7, comm: "s\u{7}", entry: "select[0]", meets: ["comm"], refused: [row])
        let report = MatchReport(
            policy: "p", tree: .descendants, examined: 2, milliseconds: 1, matches: [], excluded: [],
            nearMisses: [near], nearMissCount: 9, findings: [])
        let narrow = MatchText(terminal: Terminal(usesColour: false, width: 40)).render(report)
        #expect(narrow.contains("the nearest 1 of 9 near misses"))
        #expect(!narrow.unicodeScalars.contains { $0.value == 0x1B || $0.value == 7 || $0.value == 0x202E })
        #expect(narrow.split(separator: "\n").allSatisfy { $0.count <= 48 }, "\(narrow)")
        let wide = MatchText(terminal: Terminal(usesColour: true, width: 160)).render(report)
        #expect(wide.contains("\u{1B}[1;31mcmdline\u{1B}[0m"))
    }
}
