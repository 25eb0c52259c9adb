import CREngine
import Foundation
import Glibc
import TestSupport
import Testing

@testable import crplan

/// Retention by the command line, on checkpoints of a real program: a sleep that goes out and comes back.
@Suite(.serialized, .enabled(if: BuiltPrograms.canApply, "checkpoints need root"))
struct PruneTests {
    /// Writes a policy of the program with this retention.
    private func policy(_ load: borrowing Workload, _ retention: String) throws -> String {
        let path = try load.writePolicy("kept", pids: [load.root])
        let text = try String(contentsOfFile: path, encoding: .utf8)
        try (text + "retention: {\(retention)}\n").write(toFile: path, atomically: true, encoding: .utf8)
        return path
    }

    private func crplan(_ words: String...) throws -> Command {
        try Command.run([BuiltPrograms.crplan] + words)
    }

    /// Checkpoints the program and brings it back; gives what `apply` said.
    private func roundTrip(_ load: inout Workload, _ file: String, more: [String] = []) throws -> Command {
        let pid = load.root
        let applied = try Command.run([BuiltPrograms.crplan, "apply", file] + more)
        #expect(applied.ending == .exit(0), "\(applied.output)")
        #expect(reap([pid], session: pid, until: now() + 10))
        let restored = try load.restore("kept")
        #expect(restored.ending == .exit(0), "\(restored.output)")
        return applied
    }

    private func started() throws -> Workload {
        var load = try Workload()
        try load.start(["/bin/sleep", "86400"])
        let pid = load.root
        let isSleep = load.await { text(of: "/proc/\(pid)/comm") == "sleep\n" }
        #expect(isSleep)
        return load
    }

    @Test func `apply deletes what retention does not keep once the new one is read back`() throws {
        var load = try started()
        let file = try policy(load, "keep-last: 1")
        let store = Store(path: load.store)
        #expect(
            try roundTrip(&load, file).output.contains("Pruned: 0 checkpoints deleted, 0 B freed, 1 kept."))
        let first = try #require(try store.checkpoints().first)
        let applied = try roundTrip(&load, file, more: ["--format", "json"])
        let report = try Report.decoded(Array(applied.output.utf8), name: "report")
        let pruned = try #require(report.runs.first?.pruned)
        #expect(pruned.deleted.map(\.id) == [first.id] && pruned.kept == 1 && pruned.warnings.isEmpty)
        let left = try store.checkpoints()
        #expect(left.count == 1 && left != [first])
        #expect(try left[0].verify() == [])
        #expect(try store.latest(policy: "kept", target: first.target) == left[0].name)
    }

    @Test func `what cannot be deleted is a warning and does not undo the dump`() throws {
        var load = try started()
        let file = try policy(load, "keep-last: 1")
        let store = Store(path: load.store)
        _ = try roundTrip(&load, file)
        let first = try #require(try store.checkpoints().first)
        let hold = try CheckpointHold(first, .shared)
        let applied = try roundTrip(&load, file)
        hold.end()
        #expect(
            applied.output.contains("warning: \(first.id): a restore or another command"), "\(applied.output)"
        )
        #expect(try store.checkpoints().count == 2)
    }

    @Test func `pin, list and prune go together`() throws {
        var load = try started()
        let keepAll = try policy(load, "keep-last: 9")
        for _ in 0..<3 { _ = try roundTrip(&load, keepAll) }
        let file = try policy(load, "keep-last: 1")
        let store = Store(path: load.store)
        let all = try store.checkpoints()
        #expect(all.count == 3)
        #expect(try crplan("pin", all[0].id, "--store", load.store).ending == .exit(0))
        let list = try crplan("list", "--store", load.store).output.split(separator: "\n")
        #expect(list.map { $0.contains("pinned") } == [true, false, false])

        let dry = try crplan("prune", file, "--dry-run", "--explain")
        #expect(dry.ending == .exit(0), "\(dry.output)")
        #expect(dry.output.contains("= \(all[0].id)") && dry.output.contains("    pinned"), "\(dry.output)")
        #expect(dry.output.contains("- \(all[1].id)"))
        #expect(dry.output.contains("the newest that was read back; keep-last, 1 of 1"))
        #expect(try store.checkpoints() == all)

        let lock = try PolicyLock(policy: "kept")
        #expect(try crplan("prune", file).ending == .exit(7))
        #expect(lock.tookOverFrom == nil)
        #expect(try store.checkpoints() == all)
        try release(lock)

        let pruned = try crplan("prune", file)
        #expect(pruned.ending == .exit(0), "\(pruned.output)")
        #expect(pruned.output.contains("Pruned: 1 checkpoint deleted"))
        #expect(try store.checkpoints() == [all[0], all[2]])
        let event = try #require(try History(store: store, policy: "kept").read().events.last)
        #expect(event.event == .pruned && event.run == nil && event.deleted == [all[1].id])
        #expect(event.bytes ?? 0 > 0)
        #expect(try crplan("history", file, "-n", "1").output.contains("1 checkpoint pruned"))
        #expect(try crplan("verify", "--store", load.store).ending == .exit(0))
        #expect(try crplan("unpin", all[0].id, "--store", load.store).ending == .exit(0))
        #expect(try crplan("prune", file, "--store", load.store).ending == .exit(0))
        #expect(try store.checkpoints() == [all[2]])
    }

    private func release(_ lock: consuming PolicyLock) throws {}
}
