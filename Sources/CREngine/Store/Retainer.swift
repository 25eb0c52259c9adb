package import Foundation
import Glibc
package import PolicyModel

/// Carries a policy's retention out on what the store holds of it.
///
/// A deletion is a rename to `.deleted-NAME`, made durable, and then a removal: a checkpoint is whole or not there, and
/// what an interruption leaves is removed by the next run.
package struct Retainer: Sendable {
    static let deletedPrefix = ".deleted-"

    private let store: Store
    private let policy: String
    private let settings: RetentionSettings
    private let zone: TimeZone

    /// For a policy's store, or for another one that its checkpoints were moved to.
    package init(_ policy: Policy, store: Store? = nil) {
        self.store = store ?? Store(path: policy.store.path)
        self.policy = policy.name
        settings = policy.retention
        zone = policy.schedule.timeZone.flatMap(TimeZone.init(identifier:)) ?? .current
    }

    /// What is to stay and what is to go, and why. Changes nothing.
    package func decide(now: Date) throws(StoreError) -> Retention {
        var all: [RetainableCheckpoint] = []
        var latest: [String: CheckpointName] = [:]
        let checkpoints = try store.checkpoints(of: policy)
        for target in Set(checkpoints.map(\.target)) {
            latest[target] = try store.latest(policy: policy, target: target)
        }
        for checkpoint in checkpoints {
            all.append(Retainer.facts(checkpoint, isLatest: latest[checkpoint.target] == checkpoint.name))
        }
        return Retention.decide(settings, all, now: now, zone: zone)
    }

    /// Deletes what no rule holds, and what an earlier deletion left. Whoever calls holds the policy's lock.
    ///
    /// What cannot be deleted stays, with all that it may need, and is told in the record.
    package func prune(now: Date) -> PruneRecord {
        var record = PruneRecord()
        do throws(StoreError) {
            try removeLeftovers()
            let verdict = try decide(now: now)
            record.kept = verdict.keep.count
            var stuck: Set<String> = []
            for item in verdict.delete {
                let target = item.checkpoint.target
                // An older one may be what one that could not be deleted needs.
                if stuck.contains(target) {
                    record.kept += 1
                    continue
                }
                do throws(StoreError) {
                    let id = try delete(item.checkpoint)
                    record.deleted.append(
                        .init(id: id, bytes: item.checkpoint.bytes, reason: "\(item.reason)"))
                } catch {
                    stuck.insert(target)
                    record.kept += 1
                    record.warnings.append("\(error)")
                }
            }
        } catch {
            record.warnings.append("nothing more is pruned: \(error)")
        }
        return record
    }

    private static func facts(_ checkpoint: Checkpoint, isLatest: Bool) -> RetainableCheckpoint {
        let manifest = try? checkpoint.manifest()
        return RetainableCheckpoint(
            target: checkpoint.target, name: checkpoint.name.text,
            date: checkpoint.name.date ?? .distantFuture, bytes: manifest?.bytes ?? 0,
            parent: manifest?.parent?.text, isPinned: checkpoint.isPinned, isNewestVerified: isLatest,
            isReadable: manifest != nil)
    }

    /// Gives the `POLICY/TARGET/NAME` that is no more.
    private func delete(_ item: RetainableCheckpoint) throws(StoreError) -> String {
        guard let name = CheckpointName(item.name) else {
            throw StoreError(.failed, item.name, "is no checkpoint's name")
        }
        let checkpoint = Checkpoint(store: store, policy: policy, target: item.target, name: name)
        let hold = try CheckpointHold(checkpoint, .aloneAtOnce)
        if checkpoint.isPinned { throw StoreError(.inUse, checkpoint.id, "was pinned meanwhile") }
        if try store.latest(policy: policy, target: item.target) == name {
            throw StoreError(.inUse, checkpoint.id, "became the newest that was read back meanwhile")
        }
        let manifest = try? checkpoint.manifest()
        let names = manifest?.helperNames ?? []
        let parent = try StoreDirectory.open("\(store.path)/\(policy)/\(item.target)")
        let renamed = Retainer.deletedPrefix + name.text
        try parent.publish(name.text, as: renamed)
        hold.end()
        for name in names {
            do throws(Errno) {
                try HelperName.remove(name.path, inode: name.inode)
            } catch {
                throw StoreError(
                    .failed, name.path, "a hard link of \(checkpoint.id) cannot be removed: \(error)")
            }
        }
        if let lock = manifest?.networkLock {
            do throws(PacketFilter.Failure) {
                _ = try lock.remove()
            } catch {
                throw StoreError(
                    .failed, checkpoint.id, "its lock of connections, \(lock.name), stays: \(error)")
            }
        }
        if let entry = try parent.entry(renamed) { try parent.remove(entry) }
        return checkpoint.id
    }

    private func removeLeftovers() throws(StoreError) {
        let path = "\(store.path)/\(policy)"
        guard access(path, F_OK) == 0 else { return }
        for target in try StoreDirectory.open(path).entries() where target.kind == .directory {
            try StagedCheckpoint.discard(in: store, policy: policy, target: target.name)
        }
    }
}

/// What a pruning did, for reports and the history.
package struct PruneRecord: Codable, Sendable, Equatable {
    package struct Item: Codable, Sendable, Equatable {
        /// `POLICY/TARGET/NAME`, which is no more.
        package var id: String
        /// Of all its files together.
        package var bytes: UInt64
        /// Why it went, a few words.
        package var reason: String
        package init(id: String, bytes: UInt64, reason: String) {
            self.id = id
            self.bytes = bytes
            self.reason = reason
        }
    }
    package var deleted: [Item] = []
    /// How many checkpoints of the policy there are still.
    package var kept = 0
    /// What could not be deleted and why, one line each.
    package var warnings: [String] = []
    package init() {}

    package var freed: UInt64 { deleted.reduce(0) { $0 + $1.bytes } }
}
