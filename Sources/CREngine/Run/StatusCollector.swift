package import FoundationEssentials
package import PolicyModel

/// Reads what a policy's status is made of: its schedule's zone, its history, its checkpoints and its lock.
package struct StatusCollector: Sendable {
    package init() {}

    /// Damaged lines of the history are added to `damage`. A checkpoint whose manifest cannot be read is not good.
    package func status(of policy: Policy, now: Date, damage: inout [String]) throws -> PolicyStatus {
        let store = Store(path: policy.store.path)
        let contents = try History(store: store, policy: policy.name).read()
        damage += contents.damage
        var facts: [CheckpointFacts] = []
        var latest: [String: CheckpointName] = [:]
        for checkpoint in try store.checkpoints(of: policy.name) {
            let target = checkpoint.target
            if latest[target] == nil {
                latest[target] = try store.latest(policy: policy.name, target: target)
            }
            let manifest = try? checkpoint.manifest()
            facts.append(
                CheckpointFacts(
                    id: checkpoint.id, target: target, created: manifest?.created ?? .distantPast,
                    bytes: manifest?.bytes ?? 0,
                    frozen: (manifest?.times.freezing ?? 0) + (manifest?.times.frozen ?? 0),
                    isNewestGood: manifest != nil && latest[target] == checkpoint.name))
        }
        return PolicyStatus(
            of: policy, times: try HostSchedule().times(of: policy), events: contents.events,
            checkpoints: facts, isRunning: PolicyLock.holder(policy: policy.name) != nil, now: now)
    }
}
