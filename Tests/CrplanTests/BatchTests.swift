import CREngine
import Foundation
import Glibc
import TestSupport
import Testing

/// Many trees in one `crplan apply`.
@Suite(
    .serialized, .enabled(if: BuiltPrograms.canApply, "needs root, and a crplan that has apply and restore"))
struct BatchTests {
    /// Trees in a batch; the number of the requirement where there is time for it.
    static var count: Int { BuiltPrograms.wantsLongTests ? 200 : 40 }

    /// Peak resident memory of the process that runs the batch, KiB. It holds a snapshot of each tree until the plan is
    /// made, some 100 KiB for a small one, on top of what the program itself and its libraries take.
    static let memoryBound = 160 << 10

    private func sleepers(_ count: Int) throws -> SubjectGroup {
        var group = try SubjectGroup(timeout: 300)
        for index in 0..<count {
            try group.start("sleep \(index)", program: ["/bin/sleep", "\(100_000 + index)"])
        }
        let members = group.members
        try #require(group.await { members.allSatisfy { text(of: "/proc/\($0.root)/comm") == "sleep\n" } })
        return group
    }

    /// Checks that every tree runs, traced by nobody, and that what is in the store is whole.
    private func expectUnharmed(_ group: borrowing SubjectGroup) throws {
        let members = group.members
        var held: [String] = []
        _ = group.await {
            held = members.flatMap { Fingerprint(root: $0.root).held() }
            return held.isEmpty
        }
        #expect(held == [])
        #expect(members.allSatisfy { text(of: "/proc/\($0.root)/comm") == "sleep\n" })
        for checkpoint in try Store(path: group.store).checkpoints() {
            #expect(try checkpoint.verify() == [])
        }
        for policy in names(in: group.store) where !policy.hasPrefix(".") {
            for target in names(in: "\(group.store)/\(policy)") {
                let unfinished = names(in: "\(group.store)/\(policy)/\(target)").filter {
                    $0.hasPrefix(".incomplete-")
                }
                #expect(unfinished == [])
            }
        }
    }

    private func checkpointCount(_ store: String) -> Int {
        (try? Store(path: store).checkpoints().count) ?? 0
    }

    @Test func `many small trees are all done in bounded memory`() throws {
        let group = try sleepers(Self.count)
        let policy = try group.policy("many", pids: group.members.map(\.root), "batch:\n  parallel: 4\n")
        let log = group.directory + "/apply.log"
        let pid = try spawn([BuiltPrograms.crplan, "apply", policy], log: log, directory: "/")
        var peak = 0
        var status: Int32 = 0
        let ended = group.await {
            for line in (text(of: "/proc/\(pid)/status") ?? "").split(separator: "\n")
            where line.hasPrefix("VmHWM:") {
                peak = max(peak, Int(line.split(whereSeparator: \.isWhitespace)[1]) ?? 0)
            }
            return waitpid(pid, &status, WNOHANG) == pid
        }
        #expect(ended && Ending(waitStatus: status) == .exit(0), "\(text(of: log) ?? "")")
        #expect(checkpointCount(group.store) == Self.count)
        #expect(peak > 0 && peak < Self.memoryBound, "peak of \(peak) KiB")
        try expectUnharmed(group)
    }

    enum Interruption: String, CaseIterable {
        case terminate = "SIGTERM"
        case group = "SIGINT to its process group"
        case terminal = "Ctrl-C on its terminal"
    }

    @Test(arguments: Interruption.allCases)
    func `a batch that is interrupted ends clean, and says what it did not begin`(_ how: Interruption) throws
    {
        let group = try sleepers(31)
        let pids = group.members.map(\.root)
        let policy = try group.policy("stopped", pids: Array(pids.dropLast()), "batch:\n  parallel: 2\n")
        let later = try group.policy("later", pids: Array(pids.suffix(1)))
        let log = group.directory + "/apply.log"
        var words = [BuiltPrograms.crplan, "apply", policy, later]
        if how == .terminal {
            // Writes what Ctrl-C sends as soon as the file `interrupt` is there, and ends as the program does.
            let driver = """
                import os, pty, select, sys
                pid, terminal = pty.fork()
                if pid == 0:
                    os.execv(sys.argv[2], sys.argv[2:])
                sent = False
                while True:
                    if not sent and os.path.exists(sys.argv[1]):
                        os.write(terminal, b"\\x03")
                        sent = True
                    if select.select([terminal], [], [], 0.01)[0]:
                        try:
                            data = os.read(terminal, 65536)
                        except OSError:
                            break
                        if not data:
                            break
                        os.write(1, data)
                sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
                """
            try write(driver, to: group.directory + "/driver.py")
            words =
                ["/usr/bin/python3", group.directory + "/driver.py", group.directory + "/interrupt"] + words
        }
        let pid = try spawn(words, log: log, directory: "/")
        let store = group.store
        try #require(group.await { checkpointCount(store) >= 3 }, "\(text(of: log) ?? "")")
        switch how {
        case .terminate: kill(pid, SIGTERM)
        case .group: kill(-pid, SIGINT)
        case .terminal: try write("", to: group.directory + "/interrupt")
        }
        let ending = wait(for: pid, until: now() + 60)
        let output = text(of: log) ?? ""
        #expect(ending == .exit(4), "\(output)")
        let signal = how == .terminate ? "SIGTERM" : "SIGINT"
        #expect(output.contains("not begun: stopped by \(signal)"), "\(output)")
        #expect((3..<30).contains(checkpointCount(store)))
        // The policies after it are not begun either, and their history says why.
        #expect(try Store(path: store).checkpoints(of: "later").isEmpty)
        let history = try History(store: Store(path: store), policy: "later").read().events
        #expect(history.map(\.event) == [.skipped] && history.first?.error == "stopped by \(signal)")
        try expectUnharmed(group)
    }

    @Test func `a tree that cannot be dumped is named, and the others are done`() throws {
        var group = try sleepers(4)
        try group.start("holder userfaultfd")
        let blocked = group.members[4]
        try #require(group.await { blocked.status == "ready\n" })
        let applied = try Command.run([
            BuiltPrograms.crplan, "apply", try group.policy("partial", pids: group.members.map(\.root)),
        ])
        #expect(applied.ending == .exit(4), "\(applied.output)")
        #expect(checkpointCount(group.store) == 4)
        #expect(applied.output.contains("✘ subject[\(blocked.root)]"), "\(applied.output)")
        #expect(applied.output.contains("Result: 4 dumped"), "\(applied.output)")
    }
}
