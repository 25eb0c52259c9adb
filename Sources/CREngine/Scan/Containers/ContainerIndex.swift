import Glibc

/// Which of the host's processes are in which container: those that descend from its first process, those in the pid
/// namespace or, where that is the host's, in the control group of it, and those in a group with an engine's name for one.
struct ContainerIndex {
    /// What of a container's first process tells whom it holds.
    struct Container: Equatable, Sendable {
        var facts: ContainerFacts
        var first: PID
        /// Inode of its pid namespace; nil where that is ours.
        var pidNamespace: UInt64?
        /// Paths of control groups, in any hierarchy, that are its own; none where it has a pid namespace.
        var groups: [String]
    }

    let containers: [Container]
    private let parents: [PID: PID]

    init(containers: [Container], _ processes: [ProcessFacts]) {
        self.containers = containers
        parents = Dictionary(processes.map { ($0.pid, $0.parent) }) { first, _ in first }
    }

    /// Of this host, as `processes` show it. They must have been read with control groups and pid namespaces.
    static func read(_ processes: [ProcessFacts]) -> ContainerIndex {
        let byPID = Dictionary(processes.map { ($0.pid, $0) }) { first, _ in first }
        let own = namespace("self")
        let containers = ContainerStates.read().compactMap { entry -> Container? in
            guard let first = byPID[entry.state.pid],
                entry.state.startTime.map({ $0 == first.startTime }) ?? true
            else { return nil }
            var facts = ContainerFacts(runtimes: entry.runtimes, id: entry.state.id)
            if let monitor = byPID[first.parent], monitor.comm == "conmon" {
                facts = Monitor.named(facts, monitor: monitor.pid)
            }
            let ofGroup = first.cgroups?.all.lazy.compactMap(ContainerGroupNames.container).first
            for runtime in ofGroup?.runtimes ?? [] where !facts.runtimes.contains(runtime) {
                facts.runtimes.append(runtime)
            }
            let namespace = first.pidNamespace == own ? nil : first.pidNamespace
            // A group that its parent is in too is no container's.
            let shared = byPID[first.parent]?.cgroups?.all ?? []
            let groups = first.cgroups?.all.filter { $0 != "/" && !shared.contains($0) } ?? []
            return Container(
                facts: facts, first: first.pid, pidNamespace: namespace,
                groups: namespace == nil ? groups : [])
        }
        return ContainerIndex(containers: containers, processes)
    }

    /// Where a process belongs.
    func membership(of process: ProcessFacts) -> ContainerMembership {
        if process.isKernelThread { return .none }
        guard let groups = process.cgroups?.all else { return .unknown }
        // From the process upwards, as the innermost of several that hold each other is meant.
        var next: PID? = process.pid
        var seen: Set<PID> = []
        while let pid = next, seen.insert(pid).inserted {
            if let found = containers.first(where: { $0.first == pid }) { return .inside(found.facts) }
            next = parents[pid]
        }
        // Brought in from outside, as by `runc exec`.
        if let namespace = process.pidNamespace,
            let found = containers.first(where: { $0.pidNamespace == namespace })
        {
            return .inside(found.facts)
        }
        // Of groups within each other the innermost has the longest path.
        let holding = containers.compactMap { container -> (length: Int, facts: ContainerFacts)? in
            let lengths = container.groups.filter { group in
                groups.contains { $0 == group || $0.hasPrefix(group + "/") }
            }.map(\.utf8.count)
            return lengths.max().map { ($0, container.facts) }
        }
        if let found = holding.max(by: { $0.length < $1.length }) { return .inside(found.facts) }
        return groups.lazy.compactMap(ContainerGroupNames.container).first.map { .inside($0) } ?? .none
    }

    private static func namespace(_ process: String) -> UInt64? {
        var facts = stat()
        return stat("/proc/\(process)/ns/pid", &facts) == 0 ? UInt64(facts.st_ino) : nil
    }

    /// conmon, the parent of containers of podman and cri-o, whose arguments say what people call them.
    enum Monitor {
        static func named(_ facts: ContainerFacts, monitor: PID) -> ContainerFacts {
            guard let bytes = try? OwnedFD.open("/proc/\(monitor)/cmdline", O_RDONLY).readToEnd() else {
                return facts
            }
            return named(facts, words: bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) })
        }

        /// `conmon -c ID -n NAME …`, or with the long words for them.
        static func named(_ facts: ContainerFacts, words: [String]) -> ContainerFacts {
            var facts = facts
            for (word, value) in zip(words, words.dropFirst()) where word == "-n" || word == "--name" {
                facts.name = value
                break
            }
            return facts
        }
    }
}
