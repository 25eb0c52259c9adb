import PolicyModel

/// The sessions or the control groups of a list of processes, and the processes at the top of each.
struct ProcessGroups {
    /// A session or a control group in words: `session 4711`, `cgroup /batch/7`.
    private let labels: [PID: String]
    private let members: [String: [ProcessFacts]]
    private let ancestry: Ancestry

    /// `extent` is `session` or `cgroup`.
    init(_ list: ProcessList, _ extent: TreeExtent) {
        var labels: [PID: String] = [:]
        var members: [String: [ProcessFacts]] = [:]
        for process in list.processes where !process.isKernelThread {
            guard let label = ProcessGroups.label(of: process, extent) else { continue }
            labels[process.pid] = label
            members[label, default: []].append(process)
        }
        self.labels = labels
        self.members = members
        ancestry = Ancestry(list)
    }

    private static func label(of process: ProcessFacts, _ extent: TreeExtent) -> String? {
        if extent == .session {
            // A session whose leader is in an outer pid namespace has no number of its own here.
            return process.session.rawValue > 0 ? "session \(process.session)" : nil
        }
        guard let groups = process.cgroups else { return nil }
        if let unified = groups.unified, unified != "/" { return "cgroup \(unified)" }
        return "cgroup " + (groups.legacy.isEmpty ? "/" : groups.legacy.joined(separator: ", "))
    }

    /// The topmost processes of each group that a match is in. Those of one group have its label, if they are several.
    ///
    /// A root below a root of another group is part of that one's tree, so the two groups become one.
    func roots(
        of chosen: [PID: Selection.Match], _ excluded: inout [PID: Selection.Exclusion]
    ) -> [Selection.Match] {
        let seeds = chosen.values.sorted { $0.process.pid < $1.process.pid }
        let wanted = Set(seeds.compactMap { labels[$0.process.pid] })
        var roots: [PID: Selection.Match] = [:]
        for label in wanted {
            let inside = Set((members[label] ?? []).map(\.pid))
            for process in members[label] ?? [] where !process.isZombie {
                if ancestry.topmost(above: process.pid, where: inside.contains) != nil { continue }
                roots[process.pid] =
                    chosen[process.pid] ?? Selection.Match(process: process, entry: nil, pidfile: nil)
            }
        }
        // A match without a group that can be named stands for itself; the planner judges it.
        for match in seeds where labels[match.process.pid] == nil { roots[match.process.pid] = match }

        var leaders = Dictionary(uniqueKeysWithValues: wanted.map { ($0, $0) })
        func leader(_ label: String) -> String {
            var label = label
            while let next = leaders[label], next != label { label = next }
            return label
        }
        for pid in roots.keys.sorted() {
            guard let top = ancestry.topmost(above: pid, where: { roots[$0] != nil }) else { continue }
            if let inner = labels[pid], let outer = labels[top] {
                let (one, other) = (leader(inner), leader(outer))
                leaders[max(one, other)] = min(one, other)
            }
            roots[pid] = nil
        }
        var counts: [String: Int] = [:]
        for pid in roots.keys { if let label = labels[pid] { counts[leader(label), default: 0] += 1 } }
        for (pid, match) in chosen where roots[pid] == nil {
            let top = ancestry.topmost(above: pid, where: { roots[$0] != nil })
            excluded[match.process.pid] = .nested(below: top ?? pid)
        }
        return roots.map { pid, match in
            var match = match
            let label = labels[pid].map(leader)
            match.group = label.flatMap { counts[$0, default: 0] > 1 ? $0 : nil }
            return match
        }
    }

    /// A line about processes of a group that are in none of the trees of its roots, looked for on this host now; nil
    /// where there are none. Between a plan and the moment when all stand still others can come to it.
    static func strangers(to roots: Set<PID>, in label: String, _ extent: TreeExtent) -> String? {
        var needs = ProcessNeeds()
        needs.cgroups = extent == .cgroup
        let list: ProcessList
        do throws(CollectorError) {
            list = try ProcessList.collect(needs)
        } catch {
            return "\(error)"
        }
        let groups = ProcessGroups(list, extent)
        let found = (groups.members[label] ?? []).filter { process in
            !process.isZombie && !roots.contains(process.pid)
                && groups.ancestry.topmost(above: process.pid, where: roots.contains) == nil
        }
        if found.isEmpty { return nil }
        let names = found.prefix(8).map { "\($0.comm)[\($0.pid)]" }.joined(separator: ", ")
        return "\(names) came to \(label) after the plan; run it again"
    }
}
