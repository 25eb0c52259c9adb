/// Where a process is in the hierarchies of control groups of this host: v1, v2 or both. See cgroups(7).
package struct ControlGroups: Equatable, Sendable {
    /// In the cgroup2 hierarchy; nil on a host that has none.
    package var unified: String?
    /// In the v1 hierarchies, in the kernel's order, each path once.
    package var legacy: [String]

    package init(unified: String?, legacy: [String] = []) {
        self.unified = unified
        self.legacy = legacy
    }

    /// Of the rows of /proc/PID/cgroup.
    package init(_ rows: [CgroupRow]) {
        unified = rows.first { $0.hierarchy == 0 }?.path
        legacy = []
        for row in rows where row.hierarchy != 0 && !legacy.contains(row.path) { legacy.append(row.path) }
    }

    /// The paths that a matcher is tried on: cgroup2's, and where that is the root or there is none, the v1 ones too.
    package var paths: [String] {
        guard let unified else { return legacy }
        return unified == "/" ? ["/"] + legacy.filter { $0 != "/" } : [unified]
    }

    /// In every hierarchy, each path once.
    package var all: [String] { (unified.map { [$0] } ?? []) + legacy.filter { $0 != unified } }

    /// The systemd units that it runs in: the system manager's, and a user manager's inside of that.
    ///
    /// As systemd finds it, a unit is the first part of the path that is no slice; `user@UID.service` is the unit of a
    /// user manager, whose own units follow. See systemd.slice(5).
    package var units: [String] {
        var found: [String] = []
        for path in paths {
            let parts = path.split(separator: "/").map { $0.first == "_" ? $0.dropFirst() : $0 }
            guard let place = parts.firstIndex(where: { !$0.hasSuffix(".slice") }) else { continue }
            guard ControlGroups.isUnit(parts[place]) else { continue }
            found.append(String(parts[place]))
            guard parts[place].hasPrefix("user@") else { continue }
            let inner = parts[(place + 1)...].first { !$0.hasSuffix(".slice") }
            if let inner, ControlGroups.isUnit(inner) { found.append(String(inner)) }
        }
        return found
    }

    /// Whether processes can be in a unit of this name.
    private static func isUnit(_ name: Substring) -> Bool {
        [".service", ".scope", ".socket", ".mount", ".swap"].contains { name.hasSuffix($0) && name != $0 }
    }
}
