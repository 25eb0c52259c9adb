package import PolicyModel

/// The smallest addition to a policy's allowances with which its trees are ready, as far as allowances can do that. Pure.
package struct Suggestion: Sendable, Equatable {
    /// One change, and the findings that it is for.
    package struct Item: Sendable, Equatable {
        package var change: AllowanceChange
        /// The rule of the policy that the new one goes before, `allow.tcp-established[1]`; nil at the end.
        package var before: String?
        /// What it is for, at least one.
        package var findings: [Finding]
    }
    /// In the order of the policy language; rules of one key in the order in which they are to stand.
    package var items: [Item] = []
    /// What blocks still.
    package var remaining: [Finding] = []
    /// The policy with all changes made.
    package var policy: Policy

    private struct Step {
        var candidate: AllowanceCandidates.Candidate
        var findings: [Finding]
    }

    /// - Parameters:
    ///   - snapshots: the trees that the policy selects.
    ///   - protected: processes that are never dumped.
    package init(_ policy: Policy, _ snapshots: [Snapshot], protected: Set<PID>) {
        let base = policy
        func blockers(_ steps: [Step]) -> [(tree: Int, finding: Finding)] {
            var changed = base
            for step in steps {
                step.candidate.change.apply(to: &changed.allow, before: step.candidate.before)
            }
            let keys = changed.unsupportedKeys().filter { !base.unsupportedKeys().contains($0) }
            var found = snapshots.indices.flatMap { tree in
                DumpPlanner.findings(changed, snapshots[tree], protected: protected).filter {
                    $0.severity == .block
                }.map { (tree, $0) }
            }
            // What this build cannot do yet helps nobody.
            found += keys.map { (-1, Finding(.unsupportedKey, FindingObject(key: $0.keyPath), $0.keyPath)) }
            return found
        }

        var steps: [Step] = []
        var left = blockers(steps)
        var tried: [AllowanceChange] = []
        var place = 0
        while place < left.count {
            let (tree, finding) = left[place]
            let candidates =
                tree < 0 ? [] : AllowanceCandidates(snapshot: snapshots[tree]).changes(for: finding)
            var isGone = false
            for candidate in candidates where !tried.contains(candidate.change) {
                tried.append(candidate.change)
                let after = blockers(steps + [Step(candidate: candidate, findings: [])])
                let gone = left.map(\.finding).filter { old in !after.contains { $0.finding == old } }
                guard after.count < left.count, gone.contains(finding) else { continue }
                steps.append(Step(candidate: candidate, findings: gone))
                left = after
                isGone = true
                break
            }
            place = isGone ? 0 : place + 1
        }
        // What a later change made needless.
        for index in steps.indices.reversed() {
            var fewer = steps
            let dropped = fewer.remove(at: index)
            guard blockers(fewer).count <= left.count else { continue }
            if index < fewer.count { fewer[index].findings += dropped.findings }
            steps = fewer
        }

        var changed = base
        for step in steps {
            step.candidate.change.apply(to: &changed.allow, before: step.candidate.before)
        }
        self.policy = changed
        remaining = left.map(\.finding)
        items = steps.map { step in
            var alone = base.allow
            let place = step.candidate.change.apply(to: &alone, before: step.candidate.before)
            return Item(
                change: step.candidate.change,
                before: place.map { "allow.\(step.candidate.change.key)[\($0)]" }, findings: step.findings)
        }
        let order = Policy.allowanceKeys
        items = items.enumerated().sorted {
            let left = (order.firstIndex(of: $0.element.change.key) ?? 0, $0.offset)
            let right = (order.firstIndex(of: $1.element.change.key) ?? 0, $1.offset)
            return left < right
        }.map(\.element)
    }
}
