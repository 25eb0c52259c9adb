import CREngine
import Foundation
import Glibc
import TestSupport
import Testing

/// `dump.after: leave-running` through `crplan apply`: what ran goes on as if nothing had been.
@Suite(
    .serialized, .enabled(if: BuiltPrograms.canApply, "needs root, and a crplan that has apply and restore"))
struct LeaveRunningTests {
    private func apply(_ policy: String) throws -> Command {
        try Command.run([BuiltPrograms.crplan, "apply", policy], timeout: 240)
    }

    /// Whole trees compared from outside, until they are equal or the time is over.
    private func differences(_ before: [Fingerprint], _ group: borrowing SubjectGroup) -> [String] {
        var found: [String] = []
        let members = group.members
        let deadline = now() + 30
        _ = poll(until: deadline) {
            found = zip(members, before).flatMap { (member, before) -> [String] in
                // It has a thread that ends by itself after a while.
                if member.name == "clocks" { return [] }
                let now = Fingerprint(root: member.root)
                // In sigtimedwait(2) the kernel shows another mask than after it, and its time may be over by now.
                let changes = now.differences(from: before).filter {
                    member.name != "eintr sigtimedwait" || !$0.contains("/SigBlk ")
                }
                return (now.held(before: before) + changes).map { "\(member.name): \($0)" }
            }
            return found.isEmpty
        }
        return found
    }

    private func pass(_ subjects: [String]) throws {
        var group = try SubjectGroup(timeout: 240)
        for subject in subjects { try group.start(subject) }
        try #require(group.laggards() == [])
        let before = group.members.map { Fingerprint(root: $0.root) }
        let policy = try group.policy(
            "beside", pids: group.members.map(\.root), "batch:\n  parallel: 4\n")
        let applied = try apply(policy)
        #expect(applied.ending == .exit(0), "\(applied.output)")
        #expect(try Store(path: group.store).checkpoints().count == subjects.count)
        #expect(differences(before, group) == [])
        #expect(group.verdicts() == [])
    }

    @Test func `threads in every system call that a stop could end go on`() throws {
        try pass(SubjectTests.calls.map { "eintr \($0)" })
    }

    @Test func `timers, signals, memory, files, pipes and trees are as they were`() throws {
        // Where segments were lost on purpose, how long the peer waits before it sends them again is a matter of how long
        // all the others take.
        let waiting: Set = ["tcp finwait", "tcp closing", "tcp lastack", "tcp unacked", "killtarget page"]
        // Another user's, who cannot write into the directory where the subjects of a group tell how they are.
        let others: Set = ["sysv user"]
        try pass(SubjectTests.carried.filter { !waiting.contains($0) && !others.contains($0) })
    }

    @Test func `a parent outside the tree that waits hears of the end alone`() throws {
        let program = """
            import os, signal, sys
            how, subject, status = sys.argv[1:4]
            signals = []
            signal.signal(signal.SIGCHLD, lambda number, frame: signals.append(number))
            child = os.fork()
            if child == 0:
                os.setsid()
                os.execv(subject, [subject, "--status", status, "plain"])
            with open("child", "w") as out:
                out.write(str(child))
            if how == "wait4":
                pid, code, usage = os.wait4(child, os.WUNTRACED | os.WCONTINUED)
                result = f"{pid == child} {os.WIFEXITED(code) and os.WEXITSTATUS(code)}"
            else:
                info = os.waitid(os.P_PID, child, os.WEXITED | os.WSTOPPED | os.WCONTINUED)
                result = f"{info.si_pid == child and info.si_code == os.CLD_EXITED} {info.si_status}"
            with open("told.new", "w") as out:
                out.write(f"{result} {len(signals)}")
            os.rename("told.new", "told")
            """
        var group = try SubjectGroup()
        try write(program, to: group.directory + "/parent.py")
        for how in ["wait4", "waitid"] {
            let status = "\(group.directory)/run/\(group.members.count)/status"
            try group.start(
                how,
                program: [
                    "/usr/bin/python3", group.directory + "/parent.py", how, BuiltPrograms.subject, status,
                ])
        }
        try #require(group.laggards() == [])
        let children = try group.members.map {
            try #require(Int32(text(of: $0.directory + "/child") ?? ""))
        }
        let applied = try apply(try group.policy("child", pids: children))
        #expect(applied.ending == .exit(0), "\(applied.output)")
        let members = group.members
        #expect(members.allSatisfy { text(of: $0.directory + "/told") == nil })
        #expect(group.verdicts() == [])
        #expect(group.await { members.allSatisfy { text(of: $0.directory + "/told") != nil } })
        // Python's wait is begun again after the signal of the end itself.
        #expect(members.map { text(of: $0.directory + "/told") } == ["True 0 1", "True 0 1"])
    }

    @Test func `a checkpoint beside a running tree restores to the moment when it was made`() throws {
        var group = try SubjectGroup()
        try group.start("pipes")
        try #require(group.laggards() == [])
        let applied = try apply(try group.policy("rewind", pids: [group.members[0].root]))
        #expect(applied.ending == .exit(0), "\(applied.output)")
        let member = group.members[0]
        let tree = processTree(of: member.root)
        let checkpoint = try #require(try Store(path: group.store).checkpoints().first)
        let taken = try Command.run([BuiltPrograms.crplan, "restore", checkpoint.path])
        #expect(taken.ending == .exit(1), "the numbers are taken: \(taken.output)")
        end(tree)
        let restored = try Command.run([BuiltPrograms.crplan, "restore", checkpoint.path])
        #expect(restored.ending == .exit(0), "\(restored.output)")
        #expect(group.verdicts() == [])
    }

    @Test func `a pause over the budget is given up and leaves nothing, or is told`() throws {
        var group = try SubjectGroup()
        try group.start("plain")
        try #require(group.laggards() == [])
        let pids = [group.members[0].root]
        let before = group.members.map { Fingerprint(root: $0.root) }
        // 64 MiB are not copied in a millisecond.
        let strict = try apply(try group.policy("strict", pids: pids, dump: "  freeze-budget: 1ms\n"))
        #expect(strict.ending == .exit(1), "\(strict.output)")
        let words = strict.output.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        #expect(words.contains("dump.freeze-budget is 1 ms"), "\(words)")
        #expect(try Store(path: group.store).checkpoints().isEmpty)
        #expect(differences(before, group) == [])

        let warned = try apply(
            try group.policy("warned", pids: pids, dump: "  freeze-budget: 1ms\n  on-budget: warn\n"))
        #expect(warned.ending == .exit(0), "\(warned.output)")
        #expect(warned.output.contains("dump.freeze-budget is 1 ms"))
        #expect(try Store(path: group.store).checkpoints().count == 1)

        let ample = try apply(try group.policy("ample", pids: pids, dump: "  freeze-budget: 10m\n"))
        #expect(ample.ending == .exit(0) && !ample.output.contains("freeze-budget"), "\(ample.output)")
        #expect(group.verdicts() == [])
    }

    @Test func `files that it writes are warned of by name, and a service with a watchdog is refused`() throws
    {
        var group = try SubjectGroup()
        try group.start(
            "writer", program: ["/usr/bin/env", "WATCHDOG_USEC=3000000", "/bin/sleep", "100000"])
        let member = group.members[0]
        try #require(group.await { text(of: "/proc/\(member.root)/comm") == "sleep\n" })
        let policy = try group.policy("watched", pids: [member.root])
        let refused = try apply(policy)
        #expect(refused.ending == .exit(3), "\(refused.output)")
        #expect(refused.output.contains("CRP626") && refused.output.contains("dump: {freeze-budget: 1500ms"))
        let allowed = try apply(
            try group.policy("bounded", pids: [member.root], dump: "  freeze-budget: 1500ms\n"))
        #expect(allowed.ending == .exit(0), "\(allowed.output)")
        #expect(allowed.output.contains("CRP150"))
        #expect(allowed.output.contains("\(member.directory)/log"))
    }
}
