import Foundation
import Glibc
import PolicyModel
import Testing

@testable import CREngine

/// Retention on a store: what is really deleted, and what an interruption leaves.
@Suite struct RetainerTests {
    private let temporary: TemporaryStore
    private let now = Date(timeIntervalSince1970: 1_795_100_000)

    init() throws { temporary = try TemporaryStore() }

    private var store: Store { temporary.store }

    private func retainer(_ change: (inout RetentionSettings) -> Void) -> Retainer {
        var policy = Policy(name: "nightly")
        policy.store.path = store.path
        change(&policy.retention)
        return Retainer(policy)
    }

    /// Checkpoints a minute apart, oldest first, the last of them read back.
    private func publish(_ count: Int, target: String = "solver") throws -> [Checkpoint] {
        let made = try (0..<count).map { try temporary.publish(target: target, second: Double($0) * 60) }
        if let newest = made.last { #expect(try newest.confirm() == []) }
        return made
    }

    private func names(_ target: String = "solver") -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: store.path + "/nightly/" + target)) ?? [])
            .sorted()
    }

    @Test func `what no rule holds is deleted, and the rest is untouched`() throws {
        let made = try publish(4)
        let record = retainer { $0.keepLast = 2 }.prune(now: now)
        #expect(record.deleted.map(\.id) == [made[1].id, made[0].id])
        #expect(try record.freed == made[2].manifest().bytes * 2 && record.freed > 0)
        #expect(record.kept == 2 && record.warnings.isEmpty)
        #expect(record.deleted.map(\.reason) == ["no keep rule holds it", "no keep rule holds it"])
        #expect(try store.checkpoints() == [made[2], made[3]])
        #expect(names() == [made[2].name.text, made[3].name.text, "latest"])
        #expect(try made[2].verify() == [] && made[3].verify() == [])
        #expect(try store.latest(policy: "nightly", target: "solver") == made[3].name)
    }

    @Test func `to decide changes nothing`() throws {
        let made = try publish(3)
        let verdict = try retainer { $0.keepLast = 1 }.decide(now: now)
        #expect(verdict.delete.map(\.checkpoint.name) == [made[1].name.text, made[0].name.text])
        #expect(try store.checkpoints() == made)
    }

    @Test func `a pinned one stays and still verifies, and goes when it is unpinned`() throws {
        let made = try publish(3)
        #expect(try made[0].pin(at: now) && made[0].isPinned)
        #expect(try !made[0].pin(at: now))
        let retainer = retainer { $0.keepLast = 1 }
        #expect(retainer.prune(now: now).deleted.map(\.id) == [made[1].id])
        #expect(try made[0].verify() == [])
        #expect(try made[0].unpin() && !made[0].isPinned)
        #expect(try !made[0].unpin())
        #expect(retainer.prune(now: now).deleted.map(\.id) == [made[0].id])
    }

    @Test func `latest stays where it leads although newer ones were not read back`() throws {
        let made = try publish(2)
        let unread = try temporary.publish(second: 600)
        let record = retainer { $0.keepLast = 1 }.prune(now: now)
        #expect(record.deleted.map(\.id) == [made[0].id])
        #expect(try store.checkpoints() == [made[1], unread])
        #expect(access(store.path + "/nightly/solver/latest/manifest.json", F_OK) == 0)
    }

    @Test func `what a kept one needs is not deleted`() throws {
        let full = try temporary.publish()
        let part = try temporary.publish(second: 60, parent: full.name)
        #expect(try part.confirm() == [])
        let record = retainer { $0.keepLast = 1 }.prune(now: now)
        #expect(record.deleted.isEmpty && record.kept == 2)
        #expect(try part.verify() == [])
    }

    @Test func `the rest of an interrupted deletion is not seen and goes with the next run`() throws {
        let made = try publish(2)
        let path = made[0].path
        let left = store.path + "/nightly/solver/" + Retainer.deletedPrefix + made[0].name.text
        #expect(rename(path, left) == 0)
        #expect(unlink(left + "/manifest.json") == 0)
        #expect(try store.checkpoints() == [made[1]])
        let record = retainer { $0.keepLast = 5 }.prune(now: now)
        #expect(record.deleted.isEmpty && record.warnings.isEmpty && record.kept == 1)
        #expect(names() == [made[1].name.text, "latest"])
    }

    @Test func `a new dump removes the rest of an interrupted deletion too`() throws {
        let left = store.path + "/nightly/solver/.deleted-2026-11-23T07:17:00Z-0001/images"
        try FileManager.default.createDirectory(atPath: left, withIntermediateDirectories: true)
        _ = try temporary.publish()
        #expect(access(left, F_OK) != 0)
    }

    @Test func `one that a restore reads stays with all older ones of its target, and that is told`() throws {
        let made = try publish(4)
        let other = try publish(2, target: "other")
        let hold = try CheckpointHold(made[1], .shared)
        let record = retainer { $0.keepLast = 1 }.prune(now: now)
        #expect(record.deleted.map(\.id) == [other[0].id, made[2].id])
        #expect(record.warnings == ["\(made[1].id): a restore or another command is using it"])
        #expect(record.kept == 4)
        hold.end()
        #expect(retainer { $0.keepLast = 1 }.prune(now: now).deleted.map(\.id) == [made[1].id, made[0].id])
    }

    @Test func `who waits to pin a checkpoint that is deleted meanwhile is told`() throws {
        let made = try publish(2)
        _ = retainer { $0.keepLast = 1 }.prune(now: now)
        #expect(throws: StoreError.self) { try made[0].pin(at: now) }
    }

    @Test func `checkpoints of other policies are left alone`() throws {
        _ = try publish(3)
        var policy = Policy(name: "weekly")
        policy.store.path = store.path
        policy.retention.keepLast = 1
        #expect(Retainer(policy).prune(now: now).deleted.isEmpty)
        #expect(try store.checkpoints().count == 3)
    }

    @Test func `a store that is not there has nothing to prune`() {
        let record = retainer { $0.keepLast = 1 }.prune(now: now)
        #expect(record == PruneRecord())
    }
}
