import PolicyModel

/// Control files of groups that travel with a checkpoint, by CRIU's choice. No other file is ever written: one of v1 names a
/// program that the kernel then runs (release_agent).
enum CgroupProperties {
    /// Of every group of v1. The last two name the tasks, and only their owner travels.
    private static let ofLegacy = [
        "cgroup.clone_children", "notify_on_release", "cgroup.procs", "tasks",
    ]
    /// Of every group of the unified hierarchy.
    private static let ofUnified = [
        "cgroup.subtree_control", "cgroup.max.descendants", "cgroup.max.depth", "cgroup.freeze",
        "cgroup.type",
    ]
    private static let ofController: [Substring: [String]] = [
        "cpu": [
            "cpu.shares", "cpu.cfs_period_us", "cpu.cfs_quota_us", "cpu.rt_period_us", "cpu.rt_runtime_us",
        ],
        "memory": [
            "memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.swappiness",
            "memory.soft_limit_in_bytes", "memory.move_charge_at_immigrate", "memory.oom_control",
            "memory.use_hierarchy", "memory.kmem.limit_in_bytes", "memory.kmem.tcp.limit_in_bytes",
        ],
        "cpuset": [
            "cpuset.cpus", "cpuset.mems", "cpuset.memory_migrate", "cpuset.cpu_exclusive",
            "cpuset.mem_exclusive", "cpuset.mem_hardwall", "cpuset.memory_spread_page",
            "cpuset.memory_spread_slab", "cpuset.sched_load_balance", "cpuset.sched_relax_domain_level",
        ],
        "blkio": ["blkio.weight"],
        "freezer": ["freezer.state"],
        "net_cls": ["net_cls.classid"],
        "net_prio": ["net_prio.ifpriomap"],
        "pids": ["pids.max"],
        "devices": ["devices.list"],
    ]
    private static let ofUnifiedControllers = [
        "cpu.weight", "cpu.max", "cpu.max.burst", "cpu.idle", "cpuset.cpus", "cpuset.mems", "memory.min",
        "memory.low", "memory.high", "memory.max", "memory.swap.max", "memory.oom.group", "pids.max",
        "io.weight",
        "io.max", "hugetlb.2MB.max", "hugetlb.1GB.max",
    ]

    /// Names in the order in which they are written; `rules` are the operator's own.
    static func names(hierarchy: String, _ rules: CgroupPropertyRules) -> [String] {
        guard hierarchy.isEmpty else {
            return ofLegacy
                + hierarchy.split(separator: ",").flatMap {
                    rules.files(of: String($0), usual: ofController[$0] ?? [])
                }
        }
        // Of the unified hierarchy, files say by their names whose they are.
        var names = ofUnified + ofUnifiedControllers
        for controller in Set(rules.rules.map(\.controller)).sorted() {
            let usual = ofUnifiedControllers.filter { $0.hasPrefix(controller + ".") }
            names.removeAll(where: usual.contains)
            names += rules.files(of: controller, usual: usual)
        }
        return names
    }

    /// Files that say who is in the group.
    static func listsTasks(_ name: String) -> Bool { name == "cgroup.procs" || name == "tasks" }
    /// Files without which a group takes no task, or which a task in it forbids to change.
    static func isEarly(_ name: String) -> Bool {
        name.hasPrefix("cpuset.") || name.hasPrefix("devices.") || name == "cgroup.type"
            || name == "cgroup.clone_children"
    }
    /// Files that stop the tasks.
    static func freezes(_ name: String) -> Bool { name == "freezer.state" || name == "cgroup.freeze" }
}
