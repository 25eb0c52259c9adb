import FoundationEssentials
import PolicyModel
import Testing

@testable import CREngine

/// Which service a tree is the main process of, by files below a directory that stands for `/`.
@Suite struct ServiceUnitTests {
    let temporary: TemporaryStore

    init() throws { temporary = try TemporaryStore() }

    private func file(_ path: String, _ text: String) throws {
        let full = temporary.root + path
        let parent = full.split(separator: "/").dropLast().map { "/" + $0 }.joined()
        try FileManager.default.createDirectory(atPath: parent, withIntermediateDirectories: true)
        try Data(text.utf8).write(to: URL(filePath: full))
    }

    private func service(_ cgroup: String) -> ServiceUnit? {
        UnitFiles(root: temporary.root).service(of: [CgroupRow(hierarchy: 0, controllers: "", path: cgroup)])
    }

    private func restarts(_ cgroup: String) -> Bool? { service(cgroup)?.restartsAfterKill }

    @Test(arguments: [
        ("no", false), ("always", true), ("on-failure", true), ("on-abnormal", true), ("on-abort", true),
        ("on-success", false), ("on-watchdog", false),
    ])
    func `a kill restarts a service as the table of systemd.service(5) has it`(
        _ value: String, _ answer: Bool
    ) throws {
        try file("/usr/lib/systemd/system/solver.service", "[Service]\nExecStart=/x\nRestart=\(value)\n")
        #expect(restarts("/system.slice/solver.service") == answer)
        // A control group below the unit's belongs to it.
        #expect(restarts("/system.slice/solver.service/worker") == answer)
    }

    @Test func `statuses that prevent or force a restart, or count as success`() {
        func unit(_ settings: [String: [String]]) -> Bool {
            ServiceUnit(name: "a.service", settings: settings).restartsAfterKill
        }
        #expect(!unit(["Restart": ["always"], "RestartPreventExitStatus": ["1 SIGTERM", "SIGKILL"]]))
        #expect(unit(["RestartForceExitStatus": ["KILL"]]))
        #expect(!unit(["Restart": ["on-failure"], "SuccessExitStatus": ["SIGKILL"]]))
        #expect(unit(["Restart": ["on-success"], "SuccessExitStatus": ["SIGKILL"]]))
        // A number is an exit code.
        #expect(unit(["Restart": ["always"], "RestartPreventExitStatus": ["9"]]))
    }

    @Test func `drop-ins come over the file, by name, and of two of one name the one in etc counts`() throws {
        try file("/usr/lib/systemd/system/solver.service", "[Service]\nRestart=no\n")
        try file("/usr/lib/systemd/system/solver.service.d/10-a.conf", "[Service]\nRestart=always\n")
        #expect(restarts("/solver.service") == true)
        try file("/etc/systemd/system/solver.service.d/10-a.conf", "[Service]\nRestart=no\n")
        #expect(restarts("/solver.service") == false)
        try file("/run/systemd/system/solver.service.d/20-b.conf", "[Service]\nRestart=on-failure\n")
        #expect(restarts("/solver.service") == true)
        try file("/etc/systemd/system/solver.service.d/30-c.conf", "[Service]\nRestart=\n")
        #expect(restarts("/solver.service") == false)
        // The general ones come before by their place, and yet sort by their file name.
        try file("/etc/systemd/system/service.d/40-all.conf", "[Service]\nRestart=always\n")
        #expect(restarts("/solver.service") == true)
    }

    @Test func `the file of the highest precedence is the unit, for templates that of the instance`() throws {
        try file("/usr/lib/systemd/system/worker@.service", "[Service]\nRestart=always\n")
        #expect(restarts("/system.slice/system-worker.slice/worker@3.service") == true)
        try file("/etc/systemd/system/worker@.service", "[Service]\nRestart=no\n")
        #expect(restarts("/x/worker@3.service") == false)
        try file("/usr/lib/systemd/system/worker@3.service", "[Service]\nRestart=always\n")
        #expect(restarts("/x/worker@3.service") == true)
        try file("/etc/systemd/system/worker@3.service.d/no.conf", "[Service]\nRestart=no\n")
        #expect(restarts("/x/worker@3.service") == false)
        #expect(
            ServiceUnit.dropInNames(of: "a-b-c@3.service") == [
                "service.d", "a-.service.d", "a-b-.service.d", "a-b-c@.service.d", "a-b-c@3.service.d",
            ])
    }

    @Test func `comments, other sections and continued lines are read as systemd reads them`() throws {
        try file(
            "/etc/systemd/system/solver.service",
            "[Unit]\nRestart=always\n[Service]\n# Restart=always\n; Restart=always\nRestart = \\\n  on-failure\n"
        )
        #expect(service("/solver.service")?.restart == "on-failure")
    }

    @Test func `units of users are in directories of their own, and what is no service is none`() throws {
        try file("/etc/systemd/user/app.service", "[Service]\nRestart=always\n")
        #expect(restarts("/user.slice/user-1000.slice/user@1000.service/app.slice/app.service") == true)
        #expect(restarts("/system.slice/app.service") == nil)
        #expect(service("/user.slice/session-1.scope") == nil)
        #expect(service("/") == nil)
    }

    @Test func `only the main process is restarted, and only a kill does it`() throws {
        try file("/etc/systemd/system/solver.service", "[Service]\nRestart=always\n")
        let row = CgroupRow(hierarchy: 0, controllers: "", path: "/system.slice/solver.service")
        var snapshot = ordinarySnapshot()
        snapshot.tasks[0].cgroups = [row]
        let files = UnitFiles(root: temporary.root)
        let unit = try #require(files.service(ofMain: snapshot))
        snapshot.parentCgroups = [row]
        #expect(files.service(ofMain: snapshot) == nil)

        func codes(_ after: DumpSettings.After) throws -> [FindingCode] {
            var policy = Policy(name: "a")
            policy.dump.after = after
            policy.dump.filesystem = .unsafeIgnore
            let setting = DumpPlanner.Setting(
                host: .collect(), now: Date(timeIntervalSince1970: 0), examined: 1, findings: [],
                protected: [])
            let candidate = DumpPlanner.Candidate(snapshot: snapshot, unit: unit)
            return try DumpPlanner.plan(policy, [candidate], setting).targets[0].findings.map(\.code)
        }
        #expect(try codes(.kill) == [.restartingUnit])
        #expect(try codes(.leaveRunning) == [])
    }
}
