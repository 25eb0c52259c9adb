package import PolicyModel

/// Which processes a policy means.
package struct Selection: Equatable, Sendable {
    /// One tree to be: the root and how it was found.
    package struct Match: Equatable, Sendable {
        package var process: ProcessFacts
        /// Place in `select`; nil for a root that came with a session or a control group.
        package var entry: Int?
        /// The pidfile of that entry.
        package var pidfile: String?
        /// The roots that are frozen together have the same; nil for a root alone.
        package var group: String?
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
    /// Why a process that meets an entry of `select` is no target.
    package enum Exclusion: Equatable, Sendable {
        /// Place in `except`.
        case excepted(Int)
        /// It is in the tree of another match.
        case nested(below: PID)
        /// The first process, crplan itself, or what crplan runs under.
        case protected
    }

    /// By start time, topmost only.
    package var matches: [Match] = []
    /// Of those that meet an entry.
    package var excluded: [PID: Exclusion] = [:]
    /// Processes that were looked at.
    package var examined = 0
    package var findings: [Finding] = []

    /// Pure: the same list and names give the same matches.
    package static func select(_ policy: Policy, from list: ProcessList, names: Names) -> Selection {
        var selection = Selection()
        selection.examined = list.processes.count
        var chosen: [PID: Match] = [:]
        let eligible = list.processes.filter { !$0.isKernelThread && !$0.isZombie }
        for (place, matcher) in policy.select.enumerated() {
            let keyPath = "select[\(place)]"
            let criteria = matcher.criteria(names, keyPath, &selection.findings)
            for process in meeting(criteria, eligible, list.moment, keyPath, &selection.findings)
            where chosen[process.pid] == nil {
                if list.protected.contains(process.pid) {
                    selection.excluded[process.pid] = .protected
                } else {
                    chosen[process.pid] = Match(process: process, entry: place, pidfile: matcher.pidfile)
                }
            }
        }
        for (place, matcher) in policy.except.enumerated() {
            let keyPath = "except[\(place)]"
            let criteria = matcher.criteria(names, keyPath, &selection.findings)
            let candidates = chosen.values.map(\.process)
            for process in meeting(
                criteria, candidates, list.moment, keyPath, orUnknown: true, &selection.findings)
            {
                chosen[process.pid] = nil
                selection.excluded[process.pid] = .excepted(place)
            }
        }
        let roots: [Match]
        switch policy.tree {
        case .process: roots = Array(chosen.values)
        case .descendants: roots = withoutNested(chosen, list, &selection.excluded)
        case .session, .cgroup:
            roots = ProcessGroups(list, policy.tree).roots(of: chosen, &selection.excluded)
        }
        selection.matches = roots.sorted {
            ($0.process.startTime, $0.process.pid) < ($1.process.startTime, $1.process.pid)
        }
        return selection
    }

    /// Those that descend from no other one.
    private static func withoutNested(
        _ chosen: [PID: Match], _ list: ProcessList, _ excluded: inout [PID: Exclusion]
    ) -> [Match] {
        let ancestry = Ancestry(list)
        return chosen.values.filter { match in
            guard let top = ancestry.topmost(above: match.process.pid, where: { chosen[$0] != nil }) else {
                return true
            }
            excluded[match.process.pid] = .nested(below: top)
            return false
        }
    }

    /// Processes that meet every key. No keys are met by none. With `orUnknown` what the kernel does not show counts
    /// as met: who wants a process left alone gets that.
    private static func meeting(
        _ criteria: [Criterion], _ processes: [ProcessFacts], _ moment: UInt64, _ keyPath: String,
        orUnknown: Bool = false, _ findings: inout [Finding]
    ) -> [ProcessFacts] {
        if criteria.isEmpty { return [] }
        var left = processes
        for criterion in criteria {
            guard case .cmdline(let pattern) = criterion else {
                left = left.filter { process in
                    let verdict = criterion.verdict(on: process, at: moment)
                    return verdict == .met || (orUnknown && verdict == .unknown)
                }
                continue
            }
            let outcomes = pattern.search(left.map { $0.commandLine ?? "" })
            if outcomes.contains(where: { $0 == .timedOut || $0 == .broken }) {
                findings.append(
                    Finding(.brokenPattern, FindingObject(key: "\(keyPath).cmdline"), pattern.text))
            }
            left = zip(left, outcomes).filter { process, outcome in
                outcome == .matched || (orUnknown && process.commandLine == nil)
            }.map(\.0)
        }
        return left
    }
}

/// Who descends from whom in a list of processes.
struct Ancestry {
    private let parents: [PID: PID]

    init(_ list: ProcessList) {
        parents = Dictionary(list.processes.map { ($0.pid, $0.parent) }) { first, _ in first }
    }

    /// The farthest ancestor that fits; nil where none does.
    func topmost(above pid: PID, where fits: (PID) -> Bool) -> PID? {
        var found: PID?
        var seen: Set<PID> = [pid]
        var next = parents[pid]
        while let ancestor = next, seen.insert(ancestor).inserted {
            if fits(ancestor) { found = ancestor }
            next = parents[ancestor]
        }
        return found
    }
}
