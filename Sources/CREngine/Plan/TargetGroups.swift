/// Targets that are frozen together, the roots of one session or control group: they share their fate.
enum TargetGroups {
    /// Where one of a group is blocked, so are the others.
    static func blockTogether(_ targets: inout [PlannedTarget]) {
        var blockers: [String: PlannedTarget] = [:]
        for target in targets where target.isBlocked {
            if let group = target.group, blockers[group] == nil { blockers[group] = target }
        }
        for place in targets.indices where !targets[place].isBlocked {
            guard let group = targets[place].group, let blocker = blockers[group] else { continue }
            targets[place].findings.append(
                Finding(
                    .groupBlocked, FindingObject(pid: blocker.pid),
                    "\(blocker.comm)[\(blocker.pid)] of \(group) is blocked"))
        }
    }

    /// The targets that are named, by name or by pid, each with its whole group.
    static func only(_ wanted: [String], of targets: [PlannedTarget]) -> [PlannedTarget] {
        let named = targets.filter { wanted.contains($0.name) || wanted.contains("\($0.pid)") }
        let groups = Set(named.compactMap(\.group))
        return targets.filter { target in
            named.contains { $0.name == target.name } || target.group.map { groups.contains($0) } ?? false
        }
    }

    /// How the groups of the targets that were ready differ now, one line each: a group that lost or won a root is
    /// another one.
    static func drift(from saved: [PlannedTarget], to now: [PlannedTarget]) -> [String] {
        let groups = Set(saved.compactMap(\.group)).sorted()
        return groups.compactMap { group in
            let before = Set(saved.filter { $0.group == group }.map(\.name))
            let after = Set(now.filter { $0.group == group }.map(\.name))
            let added = after.subtracting(before).sorted()
            return added.isEmpty ? nil : "\(group): \(added.joined(separator: ", ")) came to it"
        }
    }

    /// Jobs by what must begin together: places of each group, in the order of its first one.
    static func units(_ groups: [String?]) -> [[Int]] {
        var units: [[Int]] = []
        var places: [String: Int] = [:]
        for (place, group) in groups.enumerated() {
            if let group, let unit = places[group] {
                units[unit].append(place)
            } else {
                if let group { places[group] = units.count }
                units.append([place])
            }
        }
        return units
    }
}
