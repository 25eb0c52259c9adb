package import PolicyModel

/// Which processes a policy means.
package struct Selection: Equatable, Sendable {
    /// One tree to be: the root and how it was found.
    package struct Match: Equatable, Sendable {
        package var process: ProcessFacts
        /// Place in `select`.
        package var entry: Int
        /// The pidfile of that entry.
        package var pidfile: String?
    }
    /// What a name of the policy stands for on this host.
    package struct Names: Equatable, Sendable {
        package var users: [String: UInt32]
        package var groups: [String: UInt32]
        /// Pid by path; a file that names no process is missing.
        package var pidfiles: [String: PID]
        package init(
            users: [String: UInt32] = [:], groups: [String: UInt32] = [:], pidfiles: [String: PID] = [:]
        ) {
            self.users = users
            self.groups = groups
            self.pidfiles = pidfiles
        }
    }

    /// By start time, topmost only.
    package var matches: [Match] = []
    /// Processes that were looked at.
    package var examined = 0
    package var findings: [Finding] = []

    /// Pure: the same list and names give the same matches.
    package static func select(_ policy: Policy, from list: ProcessList, names: Names) -> Selection {
        var selection = Selection()
        selection.examined = list.processes.count
        var chosen: [PID: Match] = [:]
        let eligible = list.processes.filter {
            !$0.isKernelThread && !$0.isZombie && !list.protected.contains($0.pid)
        }
        for (place, matcher) in policy.select.enumerated() {
            for process in matching(matcher, eligible, names, "select[\(place)]", &selection.findings)
            where chosen[process.pid] == nil {
                chosen[process.pid] = Match(process: process, entry: place, pidfile: matcher.pidfile)
            }
        }
        for (place, matcher) in policy.except.enumerated() {
            for process in matching(matcher, eligible, names, "except[\(place)]", &selection.findings) {
                chosen[process.pid] = nil
            }
        }
        let topmost = policy.tree == .process ? Array(chosen.values) : withoutNested(chosen, list)
        selection.matches = topmost.sorted {
            ($0.process.startTime, $0.process.pid) < ($1.process.startTime, $1.process.pid)
        }
        return selection
    }

    /// Those that descend from no other one.
    private static func withoutNested(_ chosen: [PID: Match], _ list: ProcessList) -> [Match] {
        let parents = Dictionary(list.processes.map { ($0.pid, $0.parent) }) { first, _ in first }
        return chosen.values.filter { match in
            var seen: Set<PID> = [match.process.pid]
            var next = parents[match.process.pid]
            while let pid = next, seen.insert(pid).inserted {
                if chosen[pid] != nil { return false }
                next = parents[pid]
            }
            return true
        }
    }

    /// Processes that meet every key of a matcher. An empty matcher meets none.
    private static func matching(
        _ matcher: Matcher, _ processes: [ProcessFacts], _ names: Names, _ key: String,
        _ findings: inout [Finding]
    ) -> [ProcessFacts] {
        var left = processes
        var isEmpty = true
        func narrow(_ keep: (ProcessFacts) -> Bool) {
            isEmpty = false
            left = left.filter(keep)
        }
        if let pid = matcher.pid { narrow { $0.pid.rawValue == pid } }
        if let pidfile = matcher.pidfile {
            let pid = names.pidfiles[pidfile]
            if pid == nil {
                findings.append(
                    Finding(.pidfileUnusable, FindingObject(path: pidfile, key: "\(key).pidfile"), pidfile))
            }
            narrow { $0.pid == pid }
        }
        if let exe = matcher.exe { narrow { $0.exe.map { exe.matches($0) } ?? false } }
        if let comm = matcher.comm { narrow { comm.matches($0.comm) } }
        if !matcher.user.isEmpty {
            let ids = numbers(matcher.user, names.users, "\(key).user", &findings)
            narrow { ids.contains($0.user) }
        }
        if !matcher.group.isEmpty {
            let ids = numbers(matcher.group, names.groups, "\(key).group", &findings)
            narrow { ids.contains($0.group) }
        }
        // Last, because it costs most.
        if let pattern = matcher.cmdline {
            isEmpty = false
            let outcomes = pattern.search(left.map { $0.arguments.joined(separator: " ") })
            if outcomes.contains(where: { $0 == .timedOut || $0 == .broken }) {
                findings.append(
                    Finding(.brokenPattern, FindingObject(key: "\(key).cmdline"), pattern.text))
            }
            left = zip(left, outcomes).filter { $0.1 == .matched }.map(\.0)
        }
        return isEmpty ? [] : left
    }

    private static func numbers(
        _ principals: [Principal], _ known: [String: UInt32], _ key: String, _ findings: inout [Finding]
    ) -> Set<UInt32> {
        var ids: Set<UInt32> = []
        for principal in principals {
            switch principal {
            case .number(let number): ids.insert(number)
            case .name(let name):
                if let number = known[name] {
                    ids.insert(number)
                } else {
                    findings.append(Finding(.unknownPrincipal, FindingObject(key: key), name))
                }
            }
        }
        return ids
    }
}
