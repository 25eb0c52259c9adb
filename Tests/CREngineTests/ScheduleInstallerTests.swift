import Foundation
import PolicyModel
import Testing

@testable import CREngine

@Suite struct ScheduleInstallerTests {
    private let temporary: TemporaryStore

    init() throws { temporary = try TemporaryStore() }

    private func handover(
        _ cron: String, _ change: (inout Policy) -> Void = { _ in }, file: String = "/etc/crplan/x.yaml",
        isOneOfSeveral: Bool = false
    ) throws -> ScheduleHandover {
        var policy = Policy(name: "nightly")
        policy.schedule.cron = try CronExpression(parsing: cron)
        change(&policy)
        let times = try #require(ScheduleTimes(policy.schedule, zone: .utc, seed: 7))
        return ScheduleHandover(
            policy: policy, times: times, program: "/usr/bin/crplan", file: file,
            isOneOfSeveral: isOneOfSeveral, now: UnixTime(1_795_000_000))
    }

    private func text(_ name: String) throws -> String {
        try String(contentsOfFile: temporary.root + "/" + name, encoding: .utf8)
    }

    private func changes(_ found: [(file: String, ScheduleInstaller.Change)]) -> [ScheduleInstaller.Change] {
        found.map(\.1)
    }

    @Test(arguments: ScheduleKeeper.allCases)
    func `installing again changes nothing, a changed policy does, and removing leaves nothing`(
        keeper: ScheduleKeeper
    ) throws {
        let installer = ScheduleInstaller(keeper, directory: temporary.root)
        let first = try handover("0 3 * * *")
        let count = keeper.fileNames(for: "nightly").count
        #expect(try installer.state(of: first) == .absent)
        #expect(changes(try installer.install(first)) == Array(repeating: .created, count: count))
        #expect(changes(try installer.install(first)) == Array(repeating: .unchanged, count: count))
        #expect(try installer.state(of: first) == .current)
        let second = try handover("5 3 * * *")
        #expect(try installer.state(of: second) == .outdated)
        #expect(changes(try installer.install(second)).contains(.updated))
        #expect(try installer.installed().map(\.policy) == ["nightly"])
        #expect(changes(try installer.remove(policy: "nightly")) == Array(repeating: .removed, count: count))
        #expect(changes(try installer.remove(policy: "nightly")) == Array(repeating: .absent, count: count))
        #expect(try FileManager.default.contentsOfDirectory(atPath: temporary.root) == [])
    }

    @Test(arguments: ScheduleKeeper.allCases)
    func `what is not ours, or was changed by hand, stays as it is`(keeper: ScheduleKeeper) throws {
        let installer = ScheduleInstaller(keeper, directory: temporary.root)
        let name = try #require(keeper.fileNames(for: "nightly").last)
        let path = temporary.root + "/" + name
        let schedule = try handover("0 3 * * *")
        try Data("0 4 * * * root true\n".utf8).write(to: URL(filePath: path))
        #expect(throws: ScheduleError.self) { try installer.install(schedule) }
        #expect(throws: ScheduleError.self) { try installer.remove(policy: "nightly") }
        #expect(try FileManager.default.contentsOfDirectory(atPath: temporary.root) == [name])
        #expect(try text(name) == "0 4 * * * root true\n")
        #expect(try installer.state(of: schedule) == .foreign)

        try FileManager.default.removeItem(atPath: path)
        _ = try installer.install(schedule)
        let edited = try text(name).replacingOccurrences(of: "nightly", with: "daily")
        try Data(edited.utf8).write(to: URL(filePath: path))
        #expect { try installer.install(schedule) } throws: { "\($0)".contains("was changed by hand") }
        #expect { try installer.remove(policy: "nightly") } throws: { "\($0)".contains("move it away") }
        #expect(try text(name) == edited)

        try FileManager.default.removeItem(atPath: path)
        try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "/etc/passwd")
        #expect { try installer.install(schedule) } throws: { "\($0)".contains("was not written by crplan") }
    }

    @Test func `cron gets the five fields where they say it all, and a line a minute elsewhere`() throws {
        let line = { (schedule: ScheduleHandover) throws -> String in
            let text = try #require(try schedule.files(for: .cron).first).text
            return text.split(separator: "\n").last.map(String.init) ?? ""
        }
        #expect(
            try line(handover("*/5 8-18 * * mon-fri"))
                == "*/5 8-18 * * mon-fri root /usr/bin/crplan apply --scheduled /etc/crplan/x.yaml")
        let due = "* * * * * root /usr/bin/crplan apply --if-due /etc/crplan/x.yaml"
        #expect(try line(handover("0 3 * * *") { $0.schedule.timeZone = "UTC" }) == due)
        #expect(try line(handover("0 3 * * *") { $0.schedule.jitter = .seconds(5) }) == due)
        #expect(try line(handover("0 3 * * *") { $0.schedule.catchUp = .once }) == due)
        #expect(
            try line(
                handover("0 3 * * *") {
                    $0.schedule.cron = nil
                    $0.schedule.every = .seconds(7200)
                }) == due)
        #expect(
            try line(handover("@daily", file: "/a b/50%/it's.yaml", isOneOfSeveral: true))
                == #"@daily root /usr/bin/crplan apply --scheduled --policy nightly '/a b/50\%/it'\''s.yaml'"#
        )
        #expect(throws: ScheduleError.self) { try handover("@daily", file: "/a\nb").files(for: .cron) }
    }

    @Test func `systemd gets its calendar where that says it all, and a timer a minute elsewhere`() throws {
        let files = { (schedule: ScheduleHandover) throws -> String in
            try schedule.files(for: .systemd).map(\.text).joined()
        }
        let plain = try files(handover("0 3 13 * fri") { $0.schedule.timeZone = "UTC" })
        #expect(plain.contains("\nOnCalendar=Fri *-*-* 3:0:00 UTC\nOnCalendar=*-*-13 3:0:00 UTC\n"))
        #expect(plain.contains("\nExecStart=/usr/bin/crplan apply --scheduled /etc/crplan/x.yaml\n"))
        #expect(plain.contains("\nPersistent=false\n"))
        let persistent = try files(handover("0 3 * * *") { $0.schedule.catchUp = .once })
        #expect(persistent.contains("\nPersistent=true\n") && persistent.contains("*-*-* 3:0:00\n"))
        let late = try files(handover("0 3 * * *") { $0.schedule.jitter = .seconds(5) })
        #expect(late.contains("\nOnCalendar=*-*-* *:*:00 UTC\n") && late.contains("apply --if-due /etc"))
        let quoted = try files(handover("0 3 * * *", file: #"/a b/50%/$x"\.yaml"#))
        #expect(quoted.contains(#"--scheduled "/a b/50%%/$$x\"\\.yaml""#))
    }

    @Test func `jitter is the same on each day, and other for another host or policy`() throws {
        var policy = Policy(name: "nightly")
        policy.schedule.cron = try CronExpression(parsing: "0 3 * * *")
        policy.schedule.jitter = .seconds(86400)
        func delay(_ machine: String, _ name: String) throws -> Int64 {
            let path = temporary.root + "/machine-id"
            try Data((machine + "\n").utf8).write(to: URL(filePath: path))
            var named = policy
            named.name = name
            return try #require(try HostSchedule(machineID: path).times(of: named)).delay
        }
        #expect(try delay("1", "a") == delay("1", "a"))
        let delays = try (0..<40).map { try delay("\($0 / 2)", $0 % 2 == 0 ? "a" : "b") }
        #expect(Set(delays).count > 35 && delays.allSatisfy { (0..<86400).contains($0) })
    }
}
