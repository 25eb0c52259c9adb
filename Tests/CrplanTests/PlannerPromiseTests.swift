import CREngine
import Glibc
import TestSupport
import Testing

/// The planner is never wrong: what it calls ready goes out, comes back and finds itself whole; what it calls blocked,
/// dumped past the planner, does not.
@Suite(
    .serialized,
    .enabled(if: BuiltPrograms.canApply, "needs root, and a crplan that has apply and restore"))
struct PlannerPromiseTests {
    /// A subject with or without an allowance.
    struct Row: CustomTestStringConvertible, Sendable {
        var subject: String
        /// A policy's `allow` in YAML's flow form.
        var allow = "{}"
        /// A descriptor that the allowance lets lead elsewhere.
        var elsewhere: Int32?

        var testDescription: String { allow == "{}" ? subject : "\(subject) with \(allow)" }
    }

    /// What the planner said, and what became of the tree.
    struct Cell: Sendable {
        var row: Row
        var isReady: Bool
        var isWhole: Bool
        var isRight: Bool { isReady == isWhole }
        /// What the plan printed.
        var plan: String
        /// What the runner printed.
        var run: String
        /// A refusal is no loss: the dump says why, and the tree runs on.
        func isRefused(by words: String) -> Bool {
            isReady && run.contains("\"steps\":[]") && run.contains("past-planner: ") && run.contains(words)
        }
    }

    static let ordinary = SubjectTests.carried.filter { $0 != "killtarget page" }.map { Row(subject: $0) }

    /// What nothing in /proc shows of a running process, and the code or the words by which a dump refuses it once it is
    /// stopped. docs/frozen.md has the reasons.
    static let seenWhenFrozen = [
        "holder packets": "CRP112", "holder directory-watch": "CRP115", "holder outside-owner": "CRP116",
        "holder unix-urgent": "CRP233", "holder tcp-urgent": "CRP233", "holder udp-tunnel": "CRP237",
        "holder socket-program": "CRP235", "tcp unseen-reset": "CRP236", "tcp unseen-reset-empty": "CRP236",
        "terminals control": "CRP416", "holder landlock": "Landlock domain",
        "uncarried dispatch": "syscall user dispatch",
    ]
    /// What /proc shows the half of: the finding that tells it in the plan, and the one by which the dump refuses.
    static let foretold = [
        "holder unix-passed-epoll": ("CRP205", "CRP205"), "holder unix-passed-inotify": ("CRP205", "CRP205"),
        "holder unix-passed-pty": ("CRP205", "CRP205"),
        "holder unix-passed-outside-pidfd": ("CRP205", "CRP127"),
        "holder unix-passed-connection": ("CRP205", "CRP205"), "holder async-owner": ("CRP116", "CRP116"),
    ]
    /// What is outside the tree was not touched in between, so for once nothing was lost.
    static let wholeByLuck: Set<String> = ["holder outside-pidfd", "holder proc"]

    /// Each kind of object that needs an allowance, and what no policy allows.
    static let special: [Row] =
        SubjectTests.refusedKinds.map { Row(subject: "holder \($0)") }
        + SubjectTests.refusedTasks.map { Row(subject: "uncarried \($0)") }
        + ["flock", "posix-lock", "ofd-lock", "lease"].map {
            Row(subject: "holder \($0)", allow: "{file-locks: owned}")
        }
        + ["locks", "locks leases"].flatMap { subject in
            ["{}", "{file-locks: owned}", "{file-locks: any}"].map { Row(subject: subject, allow: $0) }
        }
        + [
            ("links", "{link-remap: true}"), ("devices", "{evasive-devices: true}"),
            ("unix outside-dgram", "{ext-unix-sk: true}"),
        ].flatMap { [Row(subject: $0.0), Row(subject: $0.0, allow: $0.1)] }
        + [
            Row(subject: "notify unnamed"), Row(subject: "notify deleted"), Row(subject: "sysv outside"),
            Row(subject: "tcp unseen-reset"), Row(subject: "tcp unseen-reset-empty"),
            Row(subject: "notify deleted", allow: "{fsnotify: drop}"),
            Row(subject: "outside pipe"),
            Row(subject: "outside pipe", allow: "{ext-pipes: \"null\"}", elsewhere: 4),
            Row(subject: "outside stdout"),
            Row(
                subject: "outside stdout", allow: "{stdio: [{kind: pipe, on-restore: \"null\"}]}",
                elsewhere: 1),
            Row(subject: "outside fifo"),
            Row(subject: "tcp orphan"), Row(subject: "tcp orphan", allow: "{tcp-established: true}"),
            Row(subject: "holder unix-passed-connection", allow: "{tcp-established: true}"),
            Row(subject: "ghosts big"), Row(subject: "ghosts big", allow: "{ghost-limit: auto}"),
            Row(subject: "ghosts sparse"), Row(subject: "ghosts sparse", allow: "{ghost-limit: 1KiB}"),
            Row(subject: "terminals given-up"), Row(subject: "terminals control"),
        ] + (access("/dev/cpu_dma_latency", F_OK) == 0 ? [Row(subject: "holder device")] : [])

    /// A job of a shell: dumped out of one terminal, to be restored on another.
    static let jobs = [Row(subject: "job"), Row(subject: "job", allow: "{shell-job: true}")]

    @Test func `ready is a promise, and so is blocked`() throws {
        var cells: [Cell] = []
        for row in Self.ordinary + Self.special { cells.append(try cell(row)) }
        for row in Self.jobs { cells.append(try jobCell(row)) }
        func count(_ isReady: Bool, _ isWhole: Bool) -> Int {
            cells.count { $0.isReady == isReady && $0.isWhole == isWhole }
        }
        print(
            """
                        whole   lost
            ready   \(column(count(true, true))) \(column(count(true, false)))
            blocked \(column(count(false, true))) \(column(count(false, false)))
            """)
        for cell in cells where !cell.isRight {
            if let code = Self.seenWhenFrozen[cell.row.subject], cell.isRefused(by: code) { continue }
            if let (shown, refused) = Self.foretold[cell.row.subject], cell.isRefused(by: refused),
                cell.plan.contains(shown)
            {
                continue
            }
            if Self.wholeByLuck.contains(cell.row.subject), !cell.isReady { continue }
            let name = cell.row.testDescription
            Issue.record(
                "\(name): \(cell.isReady ? "ready, and lost" : "blocked, and whole"): \(cell.plan)\(cell.run)"
            )
        }
        // Those of the lists are what they were listed for.
        for subject in Array(Self.seenWhenFrozen.keys) + Array(Self.foretold.keys) {
            #expect(cells.contains { $0.row.subject == subject && !$0.isRight }, "\(subject) is foretold")
        }
    }

    private func column(_ number: Int) -> String {
        String(repeating: " ", count: max(0, 8 - "\(number)".count)) + "\(number)"
    }

    private func cell(_ row: Row) throws -> Cell {
        let words = row.subject.split(separator: " ").map(String.init)
        let (isReady, plan) = try verdict(words, row.allow)
        var runner = [BuiltPrograms.subjectRunner, "--past-planner", row.allow]
        if let fd = row.elsewhere { runner += ["--elsewhere", "\(fd)"] }
        // A dump for a policy and one past the planner are the same once the planner has agreed.
        let run = try Command.run(runner + ["--steps", "dump,restore,check"] + words, timeout: 150)
        return Cell(
            row: row, isReady: isReady, isWhole: run.ending == .exit(0), plan: plan, run: run.output)
    }

    /// `cat` in front on a terminal; it prints what became of it.
    private func jobCell(_ row: Row) throws -> Cell {
        let directory = try makeDirectory(in: "/tmp")
        defer { remove(directory) }
        let words = [BuiltPrograms.crplan, directory, "job", BuiltPrograms.subjectRunner, row.allow]
        let run = try Command.run(
            ["/usr/bin/python3", "-c", ShellProgram.text(Self.job)] + words, timeout: 60)
        #expect(run.ending == .exit(0), "\(run.output)")
        return Cell(
            row: row, isReady: run.output.contains("ready: True"),
            isWhole: run.output.contains("whole: True"), plan: run.output, run: "")
    }

    private static let job = #"""
        def main():
            runner, allow = sys.argv[4:6]
            shell, pid = start("cat", "cat")
            shell.type("before\n")
            shell.expect(b"before\r\nbefore\r\n")
            policy = directory + "/policy.yaml"
            open(policy, "w").write(
                f"version: 1\nname: job\nselect: [{{pid: {pid}}}]\nstore: {{path: {directory}/store}}\nallow: {allow}\n")
            plan = subprocess.run([crplan, "plan", policy], stdout=subprocess.PIPE, text=True)
            print(plan.stdout)
            print("ready:", plan.returncode == 0)
            words = [runner, "past-planner", allow, "dump", "-t", str(pid), "-D", images]
            if subprocess.run(words).returncode != 0:
                return print("whole: False")
            shell.expect(b"Killed")
            shell = Shell(30, 90)
            option = "" if allow == "{}" else "-j"
            shell.type(f"{crplan} restore -D {images} {option}; echo code=$?\n")
            shell.expect(b"code=$?")
            if option:
                resumed(pid)
                shell.type("after\n")
                shell.expect(b"after\r\nafter\r\n")
            else:
                shell.expect(b"code=1")
            print("whole:", bool(option) and os.path.exists(f"/proc/{pid}"))

        """#

    /// What a plan says of a live subject, and why.
    private func verdict(_ subject: [String], _ allow: String) throws -> (isReady: Bool, reason: String) {
        var load = try Workload()
        try load.start([BuiltPrograms.subject, "--status", load.place + "/status"] + subject)
        let place = load.place
        try #require(load.await { text(of: place + "/status") == "ready\n" }, "\(subject)")
        let policy = try load.writePolicy("promise", pids: [load.root])
        try write((text(of: policy) ?? "") + "allow: \(allow)\n", to: policy)
        let plan = try Command.run([BuiltPrograms.crplan, "plan", policy])
        return (plan.ending == .exit(0), plan.output)
    }
}
