import ArgumentParser

/// Options that matter to a dump alone. criu knows one list of options for all its commands, so what calls it may give them to
/// a restore too.
struct DumpOnlyOptions: ParsableArguments {
    @Option(name: [.customShort("t"), .customLong("tree")], help: .hidden) var ignoredTree: String?
    @Flag(name: [.customShort("R"), .customLong("leave-running")], help: .hidden) var ignoredLeaveRunning =
        false
    @Option(name: .customLong("ghost-limit"), help: .hidden) var ignoredGhostLimit: String?
    @Flag(name: .customLong("ghost-fiemap"), help: .hidden) var ignoredGhostMap = false
    @Flag(name: .customLong("link-remap"), help: .hidden) var ignoredLinkRemap = false
    @Flag(name: .customLong("evasive-devices"), help: .hidden) var ignoredEvasiveDevices = false
    @Flag(name: .customLong("force-irmap"), help: .hidden) var ignoredWatchSearch = false
    @Option(name: .customLong("irmap-scan-path"), help: .hidden) var ignoredSearchPaths: [String] = []
    @Flag(name: .customLong("skip-in-flight"), help: .hidden) var ignoredInFlight = false
    /// The images say how connections were held.
    @Option(name: .customLong("network-lock"), help: .hidden) var ignoredNetworkLock: String?
    @Option(name: .customLong("freeze-cgroup"), help: .hidden) var ignoredFreezer: String?
    @Option(name: .customLong("prev-images-dir"), help: .hidden) var ignoredPreviousImages: String?
    @Flag(name: .customLong("track-mem"), help: .hidden) var ignoredTracking = false
}

/// Options that matter to a restore alone, as `DumpOnlyOptions` has those of a dump.
struct RestoreOnlyOptions: ParsableArguments {
    @Flag(name: [.customShort("d"), .customLong("restore-detached")], help: .hidden) var ignoredDetached =
        false
    @Flag(name: [.customShort("S"), .customLong("restore-sibling")], help: .hidden) var ignoredSibling = false
    @Option(name: .customLong("inherit-fd"), help: .hidden) var ignoredDescriptors: [String] = []
    @Option(name: [.customShort("J"), .customLong("join-ns")], help: .hidden) var ignoredNamespaces:
        [String] = []
    @Flag(name: .customLong("log-pid"), help: .hidden) var ignoredTaskLogs = false
    @Option(name: .customLong("pidfile"), help: .hidden) var ignoredPidfile: String?
    @Flag(name: .customLong("skip-file-rwx-check"), help: .hidden) var ignoredModeCheck = false
    /// Deleted files are always taken down with their holes.
    @Flag(name: .customLong("ghost-fiemap"), help: .hidden) var ignoredGhostMap = false
}
