/// How the trees of a saved plan differ from what is there now. Pure.
package enum PlanDrift {
    /// One line a difference, with the tree that differs; empty where every tree is as it was planned.
    ///
    /// `unselected` are looks at trees of the saved plan that run on and that the policy selects no more.
    static func lines(from saved: Plan, to now: Plan, unselected: [PID: TreeFingerprint]) -> [String] {
        guard saved.policyDigest == now.policyDigest else {
            return ["policy \(saved.policy): its values are not those that were planned"]
        }
        guard saved.host.name == now.host.name else {
            return [
                "policy \(saved.policy): it was planned on host \(saved.host.name), this is \(now.host.name)"
            ]
        }
        return TargetGroups.drift(from: saved.ready, to: now.targets)
            + saved.ready.flatMap { target in
                difference(target, now, unselected[target.pid]).map { "\(target.comm)[\(target.pid)]: \($0)" }
            }
    }

    private static func difference(
        _ target: PlannedTarget, _ now: Plan, _ unselected: TreeFingerprint?
    ) -> [String] {
        if let present = now.targets.first(where: { $0.pid == target.pid }) {
            let changes = target.fingerprint.drift(to: present.fingerprint)
            if changes.isEmpty, present.isBlocked || now.isBlocked { return ["it is blocked now"] }
            return changes
        }
        if let unselected {
            let changes = target.fingerprint.drift(to: unselected)
            return changes.isEmpty ? ["the policy selects it no more"] : changes
        }
        let successor = now.targets.first { $0.name == target.name }
        return [successor.map { "it has ended, and pid \($0.pid) is in its place" } ?? "it has ended"]
    }
}
