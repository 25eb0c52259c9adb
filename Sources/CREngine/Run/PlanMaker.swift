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

    /// A target that ends while it is looked at is left out.
    package func plan(_ policy: Policy) throws(PlanError) -> PlannedPolicy {
        let begin = MonotonicClock.now()
        let list = try processes(ProcessNeeds(policy))
        let units = UnitFiles()
        let selection = Selection.select(policy, from: list, names: .resolve(policy))
        var candidates: [DumpPlanner.Candidate] = []
        for match in selection.matches {
            do throws(CollectorError) {
                let snapshot = try Collector.collect(root: match.process.pid, scope: .live)
                candidates.append(
                    .init(
                        snapshot: snapshot, pidfile: match.pidfile, group: match.group,
                        unit: units.service(ofMain: snapshot)))
            } catch {
                if case .noSuchProcess = error { continue }
                throw .collector(error)
            }
        }
        let setting = DumpPlanner.Setting(
            host: host, now: Date.now, examined: selection.examined, findings: selection.findings,
            protected: list.protected)
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
