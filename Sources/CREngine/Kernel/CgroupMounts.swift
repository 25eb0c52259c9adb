import Glibc

/// Where the hierarchies of control groups are mounted, v1, v2 or both. See cgroups(7).
struct CgroupMounts: Sendable {
    private struct Mount {
        var point: String
        var root: String
        var isUnified: Bool
        var options: [Substring]
    }
    private let mounts: [Mount]

    /// Those of this process; of them those below `yard` alone, where it is given.
    static func read(yard: String? = nil) throws(Errno) -> CgroupMounts {
        let all = CgroupMounts(mountinfo: try ProcText.read("/proc/self/mountinfo"))
        guard let yard else { return all }
        return CgroupMounts(all.mounts.filter { ($0.point + "/").hasPrefix(yard + "/") })
    }

    private init(_ mounts: [Mount]) { self.mounts = mounts }

    /// `text` as proc_pid_mountinfo(5) has it: fields before and after a lone hyphen.
    init(mountinfo text: String) {
        mounts = text.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ")
            guard let dash = fields.firstIndex(of: "-"), fields.count > dash + 3, dash >= 6,
                fields[dash + 1] == "cgroup" || fields[dash + 1] == "cgroup2"
            else { return nil }
            return Mount(
                point: String(fields[4]), root: String(fields[3]), isUnified: fields[dash + 1] == "cgroup2",
                options: fields[dash + 3].split(separator: ","))
        }
    }

    /// The directory of a group, whether it is there or not; nil where no mount shows it.
    ///
    /// `hierarchy` is as in /proc/PID/cgroup: controllers, `name=x`, or nothing for the unified one.
    func directory(hierarchy: String, path: String) -> String? {
        let wanted = hierarchy.split(separator: ",")
        for mount in mounts {
            let fits =
                hierarchy.isEmpty
                ? mount.isUnified : !mount.isUnified && wanted.allSatisfy { mount.options.contains($0) }
            guard fits else { continue }
            if mount.root == "/" { return mount.point + (path == "/" ? "" : path) }
            if path == mount.root || path.hasPrefix(mount.root + "/") {
                return mount.point + path.dropFirst(mount.root.count)
            }
        }
        return nil
    }
}
