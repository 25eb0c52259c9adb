import Foundation
import Glibc
import TestSupport
import Testing

/// `crplan schedule` as cron and systemd see what it makes.
@Suite struct ScheduleCommandTests {
    private let directory: URL

    init() throws {
        directory = FileManager.default.temporaryDirectory.appendingPathComponent(
            "crplan-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    }

    static let hasAnalyze = access("/usr/bin/systemd-analyze", X_OK) == 0
    static let hasCrontab = access("/usr/bin/crontab", X_OK) == 0

    private func crplan(_ words: String...) throws -> Command {
        try Command.run([BuiltPrograms.crplan] + words)
    }

    /// A file of policies with these schedules, named p0, p1…
    private func policies(_ schedules: [String]) throws -> String {
        let path = directory.path + "/policies.yaml"
        let texts = schedules.enumerated().map { index, schedule in
            "version: 1\nname: p\(index)\nselect: [{comm: x}]\nschedule: {\(schedule), kills: true}\n"
        }
        try Data(texts.joined(separator: "---\n").utf8).write(to: URL(filePath: path))
        return path
    }

    @Test func `a policy without a schedule, a wrong moment and an unknown policy are told`() throws {
        defer { try? FileManager.default.removeItem(at: directory) }
        let file = directory.path + "/none.yaml"
        try Data("version: 1\nname: none\nselect: [{comm: x}]\n".utf8).write(to: URL(filePath: file))
        let result = try crplan("schedule", "next", file)
        #expect(result.ending == .exit(78))
        #expect(
            result.output.contains("policy none has no schedule; give it schedule.cron or schedule.every"))
        #expect(try crplan("schedule", "install", file, "--to", "cron").ending == .exit(78))
        let due = try crplan("apply", "--if-due", file)
        #expect([.exit(1), .exit(77)].contains(due.ending))
        let times = try policies([#"cron: "0 3 * * *""#])
        #expect(try crplan("schedule", "next", times, "--from", "tomorrow").ending == .exit(64))
        #expect(try crplan("apply", "--policy", "p1", times).output.contains("no policy is named p1"))
        #expect(try crplan("apply", "--if-due", "--dry-run", times).ending == .exit(64))
    }

    @Test func `the coming times are told in the zone and in UTC`() throws {
        defer { try? FileManager.default.removeItem(at: directory) }
        let file = try policies([#"cron: "30 2 * * *", time-zone: Europe/Berlin"#])
        let words = ["schedule", "next", file, "-n", "2", "--from", "2026-03-28T12:00:00+01:00"]
        let text = try Command.run([BuiltPrograms.crplan] + words)
        #expect(
            text.output == """
                p0  Europe/Berlin
                  2026-03-29T03:00:00+02:00   2026-03-29T01:00:00Z
                  2026-03-30T02:30:00+02:00   2026-03-30T00:30:00Z

                """)
        let json = try Command.run([BuiltPrograms.crplan] + words + ["--format", "json"])
        #expect(json.output.contains(#""utc" : "2026-03-29T01:00:00Z""#))
    }

    @Test(.enabled(if: Self.hasCrontab, "needs crontab, of Debian's cron"))
    func `cron takes every line, and the shell gets back every word`() throws {
        defer { try? FileManager.default.removeItem(at: directory) }
        let odd = directory.path + "/50% of 'it'"
        try FileManager.default.createDirectory(atPath: odd, withIntermediateDirectories: true)
        let file = odd + "/policies.yaml"
        try FileManager.default.moveItem(
            atPath: try policies([
                #"cron: "*/7,3 1-23/2 1,*/9 jan-MAR,12 5-7""#, #"cron: "@daily""#, "every: 90s",
                #"cron: "0 3 13 * fri", jitter: 10m"#,
            ]), toPath: file)
        let output = directory.path + "/cron.d"
        try FileManager.default.createDirectory(atPath: output, withIntermediateDirectories: true)
        let installed = try crplan("schedule", "install", file, "--to", "cron", "--directory", output)
        #expect(installed.ending == .exit(0), "\(installed.output)")
        let names = try FileManager.default.contentsOfDirectory(atPath: output).sorted()
        #expect(names == ["crplan-p0", "crplan-p1", "crplan-p2", "crplan-p3"])
        for name in names {
            let text = try String(contentsOfFile: "\(output)/\(name)", encoding: .utf8)
            // A user's crontab has the same form but for the user's name.
            let own = directory.path + "/crontab"
            try Data(text.replacingOccurrences(of: " root ", with: " ").utf8).write(to: URL(filePath: own))
            let checked = try Command.run(["/usr/bin/crontab", "-n", own])
            #expect(checked.ending == .exit(0), "\(checked.output)")
            let line = try #require(text.split(separator: "\n").last)
            let command = try #require(line.range(of: " root ")).upperBound
            let script = line[command...].replacingOccurrences(of: "\\%", with: "%")
                .replacingOccurrences(of: BuiltPrograms.crplan, with: "printf '[%s]'")
            let words = try Command.run(["/bin/sh", "-c", String(script)]).output
            let option = ["crplan-p0", "crplan-p1"].contains(name) ? "--scheduled" : "--if-due"
            #expect(words == "[apply][\(option)][--policy][\(name.dropFirst(7))][\(file)]")
        }
    }

    @Test(.enabled(if: Self.hasAnalyze, "needs systemd-analyze, of Debian's systemd"))
    func `systemd accepts the units, and elapses when the schedule says`() throws {
        defer { try? FileManager.default.removeItem(at: directory) }
        let schedules = [
            #"cron: "*/15 * * * *", time-zone: UTC"#, #"cron: "30 3 * * mon-fri", time-zone: Europe/Berlin"#,
            #"cron: "0 12 13 * fri", time-zone: America/New_York"#, #"cron: "45 4 29 2 */7", time-zone: UTC"#,
            #"cron: "0 5 */10 6-8 1", time-zone: Asia/Kathmandu"#, #"cron: "0 0 1 1 *", time-zone: UTC"#,
            #"cron: "5 4 1-31 * 0", time-zone: Australia/Lord_Howe"#,
        ]
        let file = try policies(schedules)
        let output = directory.path + "/units"
        try FileManager.default.createDirectory(atPath: output, withIntermediateDirectories: true)
        let installed = try crplan("schedule", "install", file, "--to", "systemd", "--directory", output)
        #expect(installed.ending == .exit(0), "\(installed.output)")
        let names = try FileManager.default.contentsOfDirectory(atPath: output).sorted()
        #expect(names.count == 2 * schedules.count)
        let verified = try Command.run(
            ["/usr/bin/systemd-analyze", "verify"] + names.map { "\(output)/\($0)" })
        #expect(verified.ending == .exit(0) && verified.output == "", "\(verified.output)")
        for index in schedules.indices {
            for start in ["2026-11-24T10:00:00Z", "2027-03-27T23:30:00Z", "2028-02-28T12:00:00Z"] {
                let times = try next(file, policy: index, start)
                let text = try String(contentsOfFile: "\(output)/crplan-p\(index).timer", encoding: .utf8)
                let calendars = text.split(separator: "\n").filter { $0.hasPrefix("OnCalendar=") }
                let theirs = try calendars.map { try elapse(String($0.dropFirst(11)), start) }.min()
                #expect(theirs == times, "\(schedules[index]) from \(start)")
            }
        }
    }

    /// `2026-11-24 10:15:00`, in UTC.
    private func next(_ file: String, policy: Int, _ start: String) throws -> String? {
        let answer = try crplan(
            "schedule", "next", file, "-n", "1", "--from", start, "--format", "json")
        let rows = try #require(
            try JSONSerialization.jsonObject(with: Data(answer.output.utf8)) as? [[String: Any]])
        let times = try #require(rows[policy]["times"] as? [[String: String]])
        return times.first?["utc"]?.replacingOccurrences(of: "T", with: " ").replacingOccurrences(
            of: "Z", with: "")
    }

    private func elapse(_ calendar: String, _ start: String) throws -> String {
        let base = start.replacingOccurrences(of: "T", with: " ").replacingOccurrences(of: "Z", with: " UTC")
        let answer = try Command.run([
            "/usr/bin/env", "TZ=UTC", "LC_ALL=C.UTF-8", "/usr/bin/systemd-analyze", "calendar",
            "--base-time=\(base)", calendar,
        ])
        let line = answer.output.split(separator: "\n").first { $0.contains("Next elapse:") }
        let words = try #require(line, "\(answer.output)").split(separator: " ")
        return "\(words[3]) \(words[4])"
    }
}
