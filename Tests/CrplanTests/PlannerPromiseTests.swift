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

        var testDescription: String { allow == "{}" ? subject : "\(subject) with \(allow)" }
    }

    /// What the planner said, and what became of the tree.
    struct Cell: Sendable {
        var row: Row
        var isReady: Bool
        var isWhole: Bool
        var isRight: Bool { isReady == isWhole }
        var detail: String
    }

    static let ordinary = SubjectTests.carried.filter { $0 != "killtarget page" }.map { Row(subject: $0) }

    /// What no call tells of a running process without holding its descriptor or taking its messages: packets in a pipe
    /// that no longer makes any, watches of F_NOTIFY, owners of F_SETOWN, what waits in a unix socket. The frozen tree is
    /// asked, and then refused.
    static let seenWhenFrozen: Set<String> = [
        "holder packets", "holder directory-watch", "holder outside-owner", "holder unix-urgent",
        "holder unix-passed-epoll", "holder unix-passed-inotify", "holder unix-passed-pty",
        "holder unix-passed-outside-pidfd", "holder unix-passed-connection", "holder tcp-urgent",
        "holder udp-tunnel", "holder socket-program", "holder landlock",
    ]
    /// What is outside the tree was not touched in between, so for once nothing was lost.
    static let wholeByLuck: Set<String> = ["holder outside-pidfd"]

    /// Each kind of object that needs an allowance, and what no policy allows.
    static let special: [Row] =
        SubjectTests.refusedKinds.map { Row(subject: "holder \($0)") }
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
        ]

    @Test func `ready is a promise, and so is blocked`() throws {
        var cells: [Cell] = []
        for row in Self.ordinary + Self.special { cells.append(try cell(row)) }
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
            // A refusal is no loss: the dump says why, and the tree runs on.
            if Self.seenWhenFrozen.contains(cell.row.subject), cell.detail.contains("\"steps\":[]") {
                continue
            }
            if Self.wholeByLuck.contains(cell.row.subject), !cell.isReady { continue }
            Issue.record(
                "\(cell.row.testDescription): \(cell.isReady ? "ready, and lost" : "blocked, and whole"): \(cell.detail)"
            )
        }
    }

    private func column(_ number: Int) -> String {
        String(repeating: " ", count: max(0, 8 - "\(number)".count)) + "\(number)"
    }

    private func cell(_ row: Row) throws -> Cell {
        let words = row.subject.split(separator: " ").map(String.init)
        let (isReady, reason) = try verdict(words, row.allow)
        let runner = [BuiltPrograms.subjectRunner, "--past-planner", row.allow]
        // A dump for a policy and one past the planner are the same once the planner has agreed.
        let run = try Command.run(runner + ["--steps", "dump,restore,check"] + words, timeout: 150)
        return Cell(
            row: row, isReady: isReady, isWhole: run.ending == .exit(0),
            detail: isReady ? run.output : reason)
    }

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
