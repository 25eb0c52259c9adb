/// A file of a file system that shows the kernel's own state.
package enum PseudoFile: FileKind {
    package struct State: Equatable, Sendable {
        package let path: String
        package let fileSystem: String
    }
    package static let tag = FileTag.pseudoFile

    private static let fileSystems: Set<String> = [
        "proc", "sysfs", "cgroup", "cgroup2", "debugfs", "tracefs", "securityfs", "configfs", "bpf",
        "selinuxfs",
        "binfmt_misc", "pstore", "efivarfs", "fusectl", "rpc_pipefs", "nfsd", "resctrl",
    ]

    static func isPseudo(_ file: OpenFile) -> Bool {
        file.fileSystem.map { fileSystems.contains($0) } ?? false
    }

    package static func recognise(_ file: OpenFile, in snapshot: Snapshot) -> State? {
        guard let fileSystem = file.fileSystem, fileSystems.contains(fileSystem) else { return nil }
        return State(path: file.link, fileSystem: fileSystem)
    }

    package static func findings(_ state: State, of file: OpenFile, in context: ScanContext) -> [Finding] {
        let what = "\(state.path) on \(state.fileSystem)"
        if state.fileSystem == "proc", file.reach == .same, let path = ProcessPath(state.path) {
            return path.hindrance(file, in: context.snapshot).map {
                [Finding(.pseudoFile, context.object(file), "\(what), \($0)")]
            } ?? []
        }
        if isOfWholeSystem(file, state) { return [] }
        return [Finding(.pseudoFile, context.object(file), what)]
    }

    /// Text about the whole system: whoever opens it anew reads the same, from the same offset on. See proc(5).
    private static let ofWholeSystem: Set<String> = [
        "buddyinfo", "cmdline", "consoles", "cpuinfo", "crypto", "devices", "diskstats", "filesystems",
        "interrupts",
        "iomem", "ioports", "loadavg", "locks", "meminfo", "misc", "modules", "pagetypeinfo", "partitions",
        "schedstat", "slabinfo", "softirqs", "stat", "swaps", "uptime", "version", "vmallocinfo", "vmstat",
        "zoneinfo",
    ]

    private static func isOfWholeSystem(_ file: OpenFile, _ state: State) -> Bool {
        guard file.reach == .same, !file.canWrite, let type = file.facts?.type else { return false }
        if type == .directory { return ["proc", "sysfs"].contains(state.fileSystem) }
        guard type == .regular else { return false }
        // Attributes of devices and of the kernel; an open file has but its offset, see kernfs_fop_open.
        if state.fileSystem == "sysfs" { return state.path.hasPrefix("/sys/") }
        guard state.fileSystem == "proc", state.path.hasPrefix("/proc/") else { return false }
        let name = String(state.path.dropFirst("/proc/".count))
        // What namespaces have of their own is opened in the same ones again.
        return name.hasPrefix("sys/") || ofWholeSystem.contains(name)
    }
}
