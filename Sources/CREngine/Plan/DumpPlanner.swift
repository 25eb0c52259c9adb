package import FoundationEssentials
package import PolicyModel

/// From a policy and what was seen to a plan. Pure and deterministic: the same values give the same plan.
package enum DumpPlanner {
    /// One tree that the selection found.
    package struct Candidate: Sendable {
        package var snapshot: Snapshot
        /// The pidfile by which it was found, if it was.
        package var pidfile: String?
        /// What it is to be frozen together with.
        package var group: String?
        /// The systemd service that its root belongs to.
        package var unit: ServiceUnit?
        package init(
            snapshot: Snapshot, pidfile: String? = nil, group: String? = nil, unit: ServiceUnit? = nil
        ) {
            self.snapshot = snapshot
            self.pidfile = pidfile
            self.group = group
            self.unit = unit
        }
    }

    /// What the planner must be told besides the trees.
    package struct Setting: Sendable {
        package var host: HostFacts
        package var now: Date
        /// Processes that the selection looked at.
        package var examined: Int
        /// Findings of the selection.
        package var findings: [Finding]
        /// Never dumped: crplan itself and what it runs under.
        package var protected: Set<PID>
        /// Why iptables cannot hold connections of a family, where a policy wants that: `iptables is not installed`.
        package var missingIPTables: (@Sendable (Set<ConnectionLock.Ends>) -> String?)?
        package init(host: HostFacts, now: Date, examined: Int, findings: [Finding], protected: Set<PID>) {
            self.host = host
            self.now = now
            self.examined = examined
            self.findings = findings
            self.protected = protected
        }
    }

    /// Throws only where libcrypto cannot hash.
    package static func plan(
        _ policy: Policy, _ candidates: [Candidate], _ setting: Setting
    ) throws(StoreError) -> Plan {
        let ordered = candidates.filter { $0.snapshot.task($0.snapshot.root) != nil }.sorted {
            key($0.snapshot) < key($1.snapshot)
        }
        var roots: [(stem: String, startTime: UInt64, pid: PID)] = []
        for candidate in ordered {
            guard let root = candidate.snapshot.task(candidate.snapshot.root) else { continue }
            roots.append(
                (try TargetName.stem(of: root, pidfile: candidate.pidfile), root.startTime, root.pid))
        }
        let names = TargetName.distinct(roots)
        var targets: [PlannedTarget] = []
        var use = AllowanceUse(policy.allow)
        for (place, candidate) in ordered.enumerated() {
            var findings = self.findings(policy, candidate.snapshot, protected: setting.protected)
            if let unit = candidate.unit { findings += restarts(policy, candidate.snapshot, unit) }
            findings += unlockable(policy, candidate.snapshot, setting)
            if names[place] != roots[place].stem {
                findings.append(
                    Finding(.sameName, FindingObject(pid: candidate.snapshot.root), "target \(names[place])"))
            }
            use.look(at: candidate.snapshot, findings)
            guard let root = candidate.snapshot.task(candidate.snapshot.root) else { continue }
            var target = PlannedTarget(
                name: names[place], pid: root.pid, comm: root.comm,
                processes: candidate.snapshot.tasks.count, threads: candidate.snapshot.threadCount,
                resident: candidate.snapshot.residentBytes, findings: findings,
                steps: steps(policy, candidate.snapshot, name: names[place]),
                fingerprint: try TreeFingerprint(candidate.snapshot, root: root))
            target.group = candidate.group
            targets.append(target)
        }
        TargetGroups.blockTogether(&targets)
        for place in targets.indices where targets[place].isBlocked { targets[place].steps = [] }
        return Plan(
            policy: policy.name, policyDigest: try policy.digest(), created: setting.now,
            host: setting.host,
            examined: setting.examined,
            findings: policyFindings(policy, count: targets.count) + setting.findings
                + (targets.isEmpty ? [] : unused(use, policy)),
            targets: targets)
    }

    /// Every finding of one tree under a policy; a dump asks again with the snapshot of the frozen tree.
    package static func findings(
        _ policy: Policy, _ snapshot: Snapshot, protected: Set<PID>
    ) -> [Finding] {
        var found: [Finding] = []
        for task in snapshot.tasks where protected.contains(task.pid) || task.pid.rawValue == 1 {
            found.append(
                Finding(.protectedProcess, FindingObject(pid: task.pid), "\(task.comm)[\(task.pid)]"))
        }
        found += Scanner.scan(snapshot, allow: policy.allow)
        let context = ScanContext(snapshot: snapshot, allow: policy.allow)
        found += LeaveRunningRules.findings(policy, in: context)
        found += WatchdogRules.findings(policy, in: context)
        found += PIDConflictRules.findings(policy, snapshot)
        if policy.tree == .process, snapshot.tasks.count > 1 {
            let children = snapshot.tasks.dropFirst().map { "\($0.comm)[\($0.pid)]" }
            found.append(
                Finding(
                    .outsideExtent, FindingObject(pid: snapshot.root), children.joined(separator: ", "),
                    remedy: "tree: descendants"))
        }
        if policy.tree == .cgroup { found += strangers(in: snapshot) }
        return found
    }

    /// Processes of the tree that are in another control group than its root.
    private static func strangers(in snapshot: Snapshot) -> [Finding] {
        guard let root = snapshot.task(snapshot.root) else { return [] }
        let home = ControlGroups(root.cgroups)
        return snapshot.tasks.filter { !$0.isZombie && ControlGroups($0.cgroups) != home }.map { task in
            Finding(
                .outsideGroup, FindingObject(pid: task.pid),
                "\(task.comm)[\(task.pid)] in \(ControlGroups(task.cgroups).paths.joined(separator: ", "))")
        }
    }

    /// What forbids the policy as a whole.
    package static func policyFindings(_ policy: Policy, count: Int) -> [Finding] {
        var found = policy.unsupportedKeys().map { key in
            Finding(
                .unsupportedKey, FindingObject(path: key.mark?.description, key: key.keyPath),
                key.text.isEmpty ? key.keyPath : "\(key.keyPath): \(key.text)")
        }
        if policy.dump.freezeBudget != nil, policy.dump.after != .leaveRunning {
            found.append(
                Finding(
                    .budgetWithoutPause,
                    FindingObject(
                        path: policy.mark("dump.freeze-budget")?.description, key: "dump.freeze-budget"),
                    "dump.freeze-budget with after: \(policy.dump.after.rawValue)"))
        }
        if let path = policy.restore.pidfile, count > 1, !path.contains("{target}"), !path.contains("{pid}") {
            found.append(
                Finding(
                    .sharedPidfile,
                    FindingObject(
                        path: policy.mark("restore.pidfile")?.description, key: "restore.pidfile"),
                    "restore.pidfile: \(path) for \(count) targets"))
        }
        if count > policy.maxTargets {
            found.append(
                Finding(
                    .tooManyTargets, FindingObject(key: "max-targets"),
                    "\(count) targets, max-targets is \(policy.maxTargets)",
                    remedy: "max-targets: \(count)"))
        }
        if count == 0, policy.onNoMatch != .ok {
            found.append(
                Finding(
                    .nothingMatched, FindingObject(key: "select"), "no process",
                    severity: policy.onNoMatch == .fail ? .block : .warn))
        }
        return found
    }

    /// What systemd makes of the kill of a service's main process.
    private static func restarts(_ policy: Policy, _ snapshot: Snapshot, _ unit: ServiceUnit) -> [Finding] {
        guard policy.dump.after == .kill, unit.restartsAfterKill else { return [] }
        return [
            Finding(
                .restartingUnit, FindingObject(pid: snapshot.root),
                "\(unit.name) with Restart=\(unit.restart)")
        ]
    }

    /// What is to hold the connections is not there.
    private static func unlockable(
        _ policy: Policy, _ snapshot: Snapshot, _ setting: Setting
    ) -> [Finding] {
        guard policy.dump.networkLock == .iptables else { return [] }
        let connections = snapshot.lockable(allow: policy.allow)
        guard let why = setting.missingIPTables?(connections) else { return [] }
        return [
            Finding(
                .lockProgram,
                FindingObject(
                    pid: snapshot.root, path: policy.mark("dump.network-lock")?.description,
                    key: "dump.network-lock"), why)
        ]
    }

    private static func unused(_ use: AllowanceUse, _ policy: Policy) -> [Finding] {
        use.unused.map { key in
            let text = policy.source.entries[key]?.text ?? ""
            return Finding(
                .unusedAllowance, FindingObject(path: policy.mark(key)?.description, key: key),
                text.isEmpty ? key : "\(key): \(text)")
        }
    }

    private static func key(_ snapshot: Snapshot) -> (UInt64, PID) {
        (snapshot.task(snapshot.root)?.startTime ?? 0, snapshot.root)
    }

    private static func steps(_ policy: Policy, _ snapshot: Snapshot, name: String) -> [PlanStep] {
        var steps: [PlanStep] = [.freeze(root: snapshot.root), .decideAgain]
        for file in snapshot.openFiles {
            steps.append(.dumpObject(kind: FileTable.tag(of: file, in: snapshot), name: file.link))
        }
        steps += snapshot.tasks.map { .dumpProcess($0.pid) }
        steps.append(.publish(directory: "\(policy.store.path)/\(policy.name)/\(name)"))
        switch policy.dump.after {
        case .kill: steps.append(.kill(root: snapshot.root))
        case .leaveRunning: steps.append(.thaw(root: snapshot.root))
        case .leaveStopped: steps.append(.leaveStopped(root: snapshot.root))
        }
        return steps
    }
}
