import FoundationEssentials
package import PolicyModel

/// A policy's plan, with what its execution needs besides.
package struct PlannedPolicy: Sendable {
    package var policy: Policy
    package var plan: Plan
    /// Never dumped: crplan itself and what it runs under.
    package var protected: Set<PID>
    /// How long looking took, milliseconds.
    package var milliseconds: UInt64
}

/// Why no plan could be made.
package enum PlanError: Error, Sendable, CustomStringConvertible {
    case collector(CollectorError)
    case store(StoreError)

    package var description: String {
        switch self {
        case .collector(let error): "\(error)"
        case .store(let error): "\(error)"
        }
    }
}

/// Looks at this host and plans: the one place where selection, snapshots and planner meet. Stops and changes nothing.
package struct PlanMaker: Sendable {
    private let host: HostFacts

    package init(host: HostFacts) { self.host = host }

    /// What a policy selects on this host.
    private struct Look {
        var list: ProcessList
        var selection: Selection
        var candidates: [DumpPlanner.Candidate] = []
    }

    /// A target that ends while it is looked at is left out.
    private func look(_ policy: Policy) throws(PlanError) -> Look {
        let list = try processes(ProcessNeeds(policy))
        let units = UnitFiles()
        let selection = Selection.select(policy, from: list, names: .resolve(policy))
        var look = Look(list: list, selection: selection)
        for match in selection.matches {
            do throws(CollectorError) {
                let snapshot = try settled(match.process.pid, policy, list.protected)
                look.candidates.append(
                    .init(
                        snapshot: snapshot, pidfile: match.pidfile, group: match.group,
                        unit: units.service(ofMain: snapshot)))
            } catch {
                if case .noSuchProcess = error { continue }
                throw .collector(error)
            }
        }
        return look
    }

    /// A running tree passes through states that block for an instant: a file that is being replaced, a connection that is just
    /// being made. What blocks is looked at again, and the look that found least of it counts.
    private func settled(
        _ root: PID, _ policy: Policy, _ protected: Set<PID>
    ) throws(CollectorError) -> Snapshot {
        func blockers(_ snapshot: Snapshot) -> Int {
            DumpPlanner.findings(policy, snapshot, protected: protected).count { $0.severity == .block }
        }
        var best = try Collector.collect(root: root, scope: .live)
        var fewest = blockers(best)
        for _ in 0..<2 where fewest > 0 {
            let next = try Collector.collect(root: root, scope: .live)
            let count = blockers(next)
            if count < fewest { (best, fewest) = (next, count) }
        }
        return best
    }

    /// What a policy would have to allow for the trees that it selects; and how many those are.
    package func suggest(_ policy: Policy) throws(PlanError) -> (suggestion: Suggestion, trees: Int) {
        let look = try look(policy)
        let snapshots = look.candidates.map(\.snapshot)
        return (Suggestion(policy, snapshots, protected: look.list.protected), snapshots.count)
    }

    /// What a policy that allows nothing would have to allow for one tree.
    package func suggest(root: PID) throws(PlanError) -> Suggestion {
        let policy = Policy(name: "suggest")
        let list = try processes(ProcessNeeds(policy))
        do throws(CollectorError) {
            let snapshot = try Collector.collect(root: root, scope: .live)
            return Suggestion(policy, [snapshot], protected: list.protected)
        } catch {
            throw .collector(error)
        }
    }

    package func plan(_ policy: Policy) throws(PlanError) -> PlannedPolicy {
        let begin = MonotonicClock.now()
        let look = try look(policy)
        let (list, selection, candidates) = (look.list, look.selection, look.candidates)
        var setting = DumpPlanner.Setting(
            host: host, now: Date.now, examined: selection.examined, findings: selection.findings,
            protected: list.protected)
        setting.missingIPTables = { connections in
            do throws(IPTables.Failure) {
                try IPTables.check(for: connections)
                return nil
            } catch {
                return error.description
            }
        }
        do throws(StoreError) {
            let plan = try DumpPlanner.plan(policy, candidates, setting)
            return PlannedPolicy(
                policy: policy, plan: plan, protected: list.protected,
                milliseconds: (MonotonicClock.now() - begin) / 1_000_000)
        } catch {
            throw .store(error)
        }
    }

    private func processes(_ needs: ProcessNeeds) throws(PlanError) -> ProcessList {
        do throws(CollectorError) {
            return try ProcessList.collect(needs)
        } catch {
            throw .collector(error)
        }
    }

    /// How the trees of a saved plan differ now, one line each. Those that the policy selects no more are looked at too.
    func drift(from saved: Plan, to now: Plan) throws(PlanError) -> [String] {
        var unselected: [PID: TreeFingerprint] = [:]
        for target in saved.ready where !now.targets.contains(where: { $0.pid == target.pid }) {
            let snapshot: Snapshot
            do throws(CollectorError) {
                snapshot = try Collector.collect(root: target.pid, scope: .live)
            } catch {
                if case .noSuchProcess = error { continue }
                throw .collector(error)
            }
            guard let root = snapshot.task(target.pid), root.startTime == target.fingerprint.startTime else {
                continue
            }
            do throws(StoreError) {
                unselected[target.pid] = try TreeFingerprint(snapshot, root: root)
            } catch {
                throw .store(error)
            }
        }
        return PlanDrift.lines(from: saved, to: now, unselected: unselected)
    }
}
