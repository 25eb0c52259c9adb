import Glibc

/// Puts tasks into the cgroups of their set, where it differs from that of whoever made the image.
struct CgroupPlacement {
    private struct Mount {
        var point: String
        var root: String
        var isUnified: Bool
        var options: [Substring]
    }
    private let sets: [UInt32: CgroupImage.MembershipSet]
    private let rootSet: UInt32?
    private let mounts: [Mount]
    /// Our own membership lines, `hierarchy:path`.
    private let own: Set<String>

    init(tree: TreeImage) throws(RestoreError) {
        sets = Dictionary(
            (tree.cgroups?.sets ?? []).map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        rootSet = tree.inventory.rootCgroupSet
        if sets.isEmpty {
            (mounts, own) = ([], [])
            return
        }
        (mounts, own) = try RestoreError.about("cgroups", "cannot be examined") { () throws(Errno) in
            let lines = try ProcText.read("/proc/self/cgroup").split(separator: "\n")
            return (
                Self.mounts(try ProcText.read("/proc/self/mountinfo")),
                Set(lines.map { String($0.drop { $0 != ":" }.dropFirst()) })
            )
        }
    }

    /// Directories that have to be there.
    func problems(_ tree: TreeImage) -> [RestoreError] {
        var found: [RestoreError] = []
        for id in Set(tree.tasks.flatMap { $0.threads.compactMap(\.cgroupSet) }).sorted() where id != rootSet
        {
            guard let set = sets[id] else {
                if id != 0 && rootSet != nil {
                    found.append(RestoreError("cgroup set \(id)", "is missing from cgroup.img"))
                }
                continue
            }
            for member in foreign(set) {
                guard let directory = directory(member) else {
                    found.append(
                        RestoreError("cgroup hierarchy \(member.hierarchy)", "is not mounted here"))
                    continue
                }
                if access(directory, F_OK) != 0 {
                    found.append(
                        RestoreError(
                            "cgroup \(directory)", "does not exist", remedy: "make it before the restore"))
                }
            }
        }
        return found
    }

    func place(_ process: StubProcess) throws(RestoreError) {
        for (thread, image) in zip(process.threads, process.image.threads) {
            guard let id = image.cgroupSet, id != rootSet, let set = sets[id] else { continue }
            let isLeader = thread.tid == process.leader.tid
            let sameAsLeader = id == process.image.threads.first?.cgroupSet
            if !isLeader && sameAsLeader { continue }
            for member in foreign(set) {
                guard let directory = directory(member) else { continue }
                let file =
                    isLeader ? "cgroup.procs" : member.hierarchy.isEmpty ? "cgroup.threads" : "tasks"
                let path = directory + "/" + file
                try RestoreError.about("task \(thread.tid)", "cannot be put into \(path)") {
                    () throws(Errno) -> Void in try ProcText.write(path, "\(thread.tid)")
                }
            }
        }
    }

    private func foreign(_ set: CgroupImage.MembershipSet) -> [CgroupImage.Member] {
        set.members.filter { !own.contains("\($0.hierarchy):\($0.path)") }
    }

    private func directory(_ member: CgroupImage.Member) -> String? {
        let wanted = member.hierarchy.split(separator: ",")
        for mount in mounts {
            let fits =
                member.hierarchy.isEmpty
                ? mount.isUnified : !mount.isUnified && wanted.allSatisfy { mount.options.contains($0) }
            guard fits else { continue }
            if mount.root == "/" { return mount.point + member.path }
            if member.path.hasPrefix(mount.root) {
                return mount.point + member.path.dropFirst(mount.root.count)
            }
        }
        return nil
    }

    /// proc_pid_mountinfo(5): fields before and after the lone hyphen.
    private static func mounts(_ text: String) -> [Mount] {
        text.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ")
            guard let dash = fields.firstIndex(of: "-"), fields.count > dash + 3, dash >= 6,
                fields[dash + 1] == "cgroup" || fields[dash + 1] == "cgroup2"
            else { return nil }
            return Mount(
                point: String(fields[4]), root: String(fields[3]), isUnified: fields[dash + 1] == "cgroup2",
                options: fields[dash + 3].split(separator: ","))
        }
    }
}
