import CREngine
import Foundation
import Glibc
import TestSupport
import Testing

/// `apply --if-due`, the lock and the history, on a real sleep.
@Suite(.serialized, .enabled(if: BuiltPrograms.canApply, "needs root, and a crplan that has apply"))
struct DueTests {
    private func policy(_ workload: borrowing Workload, _ name: String, _ schedule: String) throws -> String {
        let path = "\(workload.directory)/\(name).yaml"
        try write(
            """
            version: 1
            name: \(name)
            select:
              - pid: \(workload.root)
            store:
              path: \(workload.store)
            schedule: {\(schedule), kills: true}

            """, to: path)
        return path
    }

    private func crplan(_ words: String...) throws -> Command {
        try Command.run([BuiltPrograms.crplan] + words)
    }

    private func events(_ workload: borrowing Workload, _ name: String) throws -> [HistoryEvent] {
        try History(store: Store(path: workload.store), policy: name).read().events
    }

    /// Names that no other test's lock has.
    private func name() -> String { "due-\(UInt32.random(in: 0...UInt32.max))" }

    @Test func `a time that has come is answered by one run, and later looks are quiet`() throws {
        var workload = try Workload()
        try workload.start(["/bin/sleep", "10000000"])
        let name = name()
        // Every minute, so that one has just come whenever the test runs.
        let file = try policy(workload, name, #"cron: "* * * * *""#)
        let first = try crplan("apply", "--if-due", file)
        #expect(first.ending == .exit(0) && first.output == "", "\(first.output)")
        #expect(processTree(of: workload.root).allSatisfy { !isAlive($0) })
        let found = try events(workload, name)
        #expect(found.map(\.event) == [.started, .target, .finished])
        #expect(found[0].occasion == "scheduled" && found[0].due != nil)
        #expect(found[1].outcome == "dumped" && found[1].checkpoint != nil && found[1].bytes ?? 0 > 0)
        #expect(found[2].outcome == "done" && found[2].targets == 1)

        // Answered until the end of time: nothing is due, nothing is written down.
        var answer = HistoryEvent(.started, at: Date.now, run: "x")
        answer.occasion = "manual"
        let yearly = self.name()
        let rare = try policy(workload, yearly, #"cron: "0 0 29 2 */7", catch-up: once"#)
        try History(store: Store(path: workload.store), policy: yearly).append([answer])
        let quiet = try crplan("apply", "--if-due", rare)
        #expect(quiet.ending == .exit(0) && quiet.output == "", "\(quiet.output)")
        #expect(try events(workload, yearly).count == 1)
    }

    @Test func `what was missed is made up for once, if the policy says so`() throws {
        for (catchUp, count) in [("none", 1), ("once", 4)] {
            var workload = try Workload()
            try workload.start(["/bin/sleep", "10000000"])
            let name = name()
            // Never within some minutes of now.
            let hour = (Int(Date.now.timeIntervalSince1970) / 3600 + 12) % 24
            let file = try policy(
                workload, name, "cron: \"0 \(hour) * * *\", time-zone: UTC, catch-up: \(catchUp)")
            let before = HistoryEvent(.started, at: Date.now.addingTimeInterval(-3 * 86400), run: "x")
            try History(store: Store(path: workload.store), policy: name).append([before])
            let first = try crplan("apply", "--if-due", file)
            #expect(first.ending == .exit(0) && first.output == "", "\(first.output)")
            #expect(try crplan("apply", "--if-due", file).output == "")
            #expect(try events(workload, name).count == count)
        }
    }

    @Test func `while another run goes on a run is skipped, which is written down`() throws {
        var workload = try Workload()
        try workload.start(["/bin/sleep", "10000000"])
        let name = name()
        let file = try policy(workload, name, #"cron: "* * * * *""#)
        let lock = try PolicyLock(policy: name)
        #expect(lock.tookOverFrom == nil)
        let quiet = try crplan("apply", "--if-due", file)
        #expect(quiet.ending == .exit(7) && quiet.output == "", "\(quiet.output)")
        #expect(try crplan("apply", "--scheduled", file).ending == .exit(7))
        let loud = try crplan("apply", file)
        #expect(loud.ending == .exit(7) && loud.output.contains("holds it, pid \(getpid())"))
        let found = try events(workload, name)
        #expect(found.map(\.event) == [.skipped, .skipped, .skipped])
        #expect(found.allSatisfy { $0.holder?.pid == getpid() })
        #expect(found[0].due != nil && found[0].occasion == "scheduled" && found[2].occasion == "manual")
        #expect(isAlive(workload.root))
    }

    @Test func `with overlap wait a run begins when the other one has ended`() throws {
        var workload = try Workload()
        try workload.start(["/bin/sleep", "10000000"])
        let name = name()
        let file = try policy(workload, name, #"cron: "0 0 1 1 *", overlap: wait"#)
        let place = workload.place
        var waiting: Int32 = 0
        do {
            let lock = try PolicyLock(policy: name)
            #expect(lock.tookOverFrom == nil)
            waiting = try spawn([BuiltPrograms.crplan, "apply", file], log: place + "/out", directory: "/")
            #expect(workload.await { isPolling(waiting) })
            #expect(isAlive(workload.root) && isAlive(waiting))
        }
        let pid = waiting
        #expect(wait(for: pid, until: now() + 60) == .exit(0), "\(text(of: place + "/out") ?? "")")
        #expect(try events(workload, name).map(\.event) == [.started, .target, .finished])
    }

    @Test func `a signal ends the wait, and nothing is begun`() throws {
        var workload = try Workload()
        try workload.start(["/bin/sleep", "10000000"])
        let name = name()
        let file = try policy(workload, name, #"cron: "0 0 1 1 *", overlap: wait"#)
        let lock = try PolicyLock(policy: name)
        #expect(lock.tookOverFrom == nil)
        let place = workload.place
        let pid = try spawn([BuiltPrograms.crplan, "apply", file], log: place + "/out", directory: "/")
        #expect(workload.await { isPolling(pid) })
        kill(pid, SIGTERM)
        #expect(wait(for: pid, until: now() + 60) == .exit(1))
        let output = (text(of: place + "/out") ?? "").split(whereSeparator: \.isWhitespace)
        #expect(output.joined(separator: " ").contains("stopped by SIGTERM while another run"))
        #expect(isAlive(workload.root))
    }

    @Test func `the lock of a run that died is taken over, which is told and written down`() throws {
        var workload = try Workload()
        try workload.start(["/bin/sleep", "10000000"])
        let name = name()
        let file = try policy(workload, name, #"cron: "* * * * *""#)
        // As a run that was killed leaves it: the file with its holder, and no lock of the kernel.
        let dead = try spawn(["/bin/true"], log: workload.place + "/log", directory: "/")
        #expect(wait(for: dead, until: now() + 10) == .exit(0))
        mkdir(PolicyLock.defaultDirectory, 0o755)
        let boot = trimmed(text(of: "/proc/sys/kernel/random/boot_id") ?? "")
        try write(
            #"{"bootID":"\#(boot)","pid":\#(dead),"startTime":1}"# + "\n",
            to: "\(PolicyLock.defaultDirectory)/\(name).lock")
        let run = try crplan("apply", "--if-due", file)
        #expect(run.ending == .exit(0), "\(run.output)")
        #expect(run.output.contains("note: the lock that pid \(dead) left behind was taken over"))
        let found = try events(workload, name)
        #expect(found.map(\.event) == [.lockTakenOver, .started, .target, .finished])
        #expect(found[0].holder?.pid == dead)
        #expect(access("\(PolicyLock.defaultDirectory)/\(name).lock", F_OK) != 0)
    }

    @Test func `status and history tell what happened, each in its form`() throws {
        var workload = try Workload()
        try workload.start(["/bin/sleep", "10000000"])
        let name = name()
        let file = try policy(workload, name, #"cron: "0 0 1 1 *""#)
        let unknown = try crplan("status", file, "--nagios")
        #expect(unknown.ending == .exit(3) && unknown.output == "CRPLAN UNKNOWN - \(name): it never ran\n")
        #expect(try crplan("apply", file).ending == .exit(0))
        let text = try crplan("status", file)
        #expect(text.ending == .exit(0) && text.output.hasPrefix("\(name)  ok\n"), "\(text.output)")
        let nagios = try crplan("status", file, "--nagios")
        #expect(nagios.ending == .exit(0), "\(nagios.output)")
        #expect(
            nagios.output.wholeMatch(
                of: /CRPLAN OK - 1 policy, 1 target \| '[^' ]+ age'=\d+s;;;0 '[^' ]+ size'=\d+B;;;0\n/)
                != nil,
            "\(nagios.output)")

        let metrics = workload.directory + "/crplan.prom"
        #expect(try crplan("status", file, "--prometheus", "--output", metrics).output == "")
        let samples = try PrometheusSamples(parsing: TestSupport.text(of: metrics) ?? "")
        #expect(samples.values["crplan_policy_ok{policy=\"\(name)\"}"] == 1)
        #expect(samples.values.keys.contains { $0.hasPrefix("crplan_target_checkpoint_size_bytes{") })
        #expect(names(in: workload.directory).filter { $0.contains("prom") } == ["crplan.prom"])

        let history = try crplan("history", file, "--format", "json")
        let rows = try JSONSerialization.jsonObject(with: Data(history.output.utf8)) as? [[String: Any]]
        #expect(rows?.compactMap { $0["event"] as? String } == ["started", "target", "finished"])
        #expect(rows?.allSatisfy { $0["policy"] as? String == name } == true)
        let newest = try crplan("history", name, "--store", workload.store, "-n", "1")
        #expect(newest.output.contains("ends: done, 1 tree"), "\(newest.output)")
    }

    /// Whether a process sits in poll(2), as a run does that waits for another one's lock.
    private func isPolling(_ pid: Int32) -> Bool {
        // Its number on x86-64.
        text(of: "/proc/\(pid)/syscall")?.hasPrefix("7 ") == true
    }

    private func isAlive(_ pid: Int32) -> Bool {
        guard let state = statFields("/proc/\(pid)/stat").first else { return false }
        return state != "Z"
    }
}

/// The text format of Prometheus, as far as a check needs it: each sample has a HELP and a TYPE before it, a good name,
/// labels in quotes and a number.
struct PrometheusSamples {
    private(set) var values: [String: Double] = [:]

    struct Fault: Error {
        var line: String
    }

    init(parsing text: String) throws {
        var described: Set<String> = []
        for line in text.split(separator: "\n") {
            if let help = line.wholeMatch(of: /# HELP ([a-z_]+) \S.*/) {
                described.insert("H\(help.1)")
            } else if let type = line.wholeMatch(of: /# TYPE ([a-z_]+) gauge/) {
                described.insert("T\(type.1)")
            } else if let sample = line.wholeMatch(of: /([a-z_]+)(\{([a-z_]+="([^"\\]|\\.)*",?)*\}) (\S+)/),
                let value = Double(sample.5), described.isSuperset(of: ["H\(sample.1)", "T\(sample.1)"]),
                values.updateValue(value, forKey: "\(sample.1)\(sample.2)") == nil
            {
                continue
            } else {
                throw Fault(line: String(line))
            }
        }
        guard text.hasSuffix("\n") else { throw Fault(line: "the last line is not ended") }
    }
}
