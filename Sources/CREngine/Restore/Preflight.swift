import CPlatform
import Glibc

/// Everything about a restore that can be known to fail before anything is made. It changes nothing.
struct Preflight {
    let tree: TreeImage
    let options: RestoreOptions
    let payload: ImagePayload
    let vdso: OwnVDSO
    let credentials: CredentialsBuilder

    /// All that stands in the way, in the order in which it would be met; each thing once, however many use it.
    func problems() -> [RestoreError] {
        guard let root = tree.tasks.first else {
            return [RestoreError("image", "holds no task")]
        }
        var found = structure(root: root)
        found += namespaces(root: root)
        if !tree.ownNamespaceKinds.contains(.pid) { found += PreflightIDs.problems(tree) }
        for task in tree.tasks { found += memory(task) + process(task) }
        for memfd in tree.memfds {
            guard let bits = memfd.hugetlbFlag, bits != 0 else { continue }
            if let problem = HugeTLB.problem(bits, "memfd \(memfd.name)") { found.append(problem) }
        }
        let hasOwnMounts = tree.ownNamespaceKinds.contains(.mount)
        found += PreflightFiles(tree: tree, options: options).problems(checksPaths: !hasOwnMounts)
        found += NamespacesRestore.mountProblems(tree, options)
        found += PreflightSockets(tree: tree, options: options, checksPaths: !hasOwnMounts).problems()
        if !hasOwnMounts { found += NotifyFiles.problems(tree) }
        if !hasOwnMounts { found += FileLockBuilder(tree: tree).problems() }
        found += SeccompBuilder(filters: tree.seccompFilters).problems(tree)
        found += GivenNamespaces(tree: tree, options: options).problems() + JoinedNamespaces.problems(tree)
        if !tree.ownNamespaceKinds.contains(.ipc), options.joined[.ipc] == nil {
            found += SystemVSurvey(tree: tree).problems
        }
        found += contents()
        if let pidfile = options.pidfile, !options.replacesPidfile, access(pidfile, F_OK) == 0 {
            found.append(RestoreError(pidfile, "pidfile exists already", remedy: "remove it"))
        }
        return found.indices.filter { !found[..<$0].contains(found[$0]) }.map { found[$0] }
    }

    private func structure(root: TaskImage) -> [RestoreError] {
        var found: [RestoreError] = []
        var seen: Set<PID> = []
        for (index, task) in tree.tasks.enumerated() {
            if !seen.insert(task.pid).inserted || task.threads.isEmpty
                || (index > 0 && (!seen.contains(task.parent) || task.parent == task.pid))
            {
                found.append(
                    RestoreError("task \(task.pid)", "has no place in the image's tree; it is damaged"))
            }
            if case .dead = task.state {
                if index == 0 {
                    found.append(RestoreError("task \(task.pid)", "root of the tree is a zombie"))
                }
                continue
            }
            if task.memory == nil || task.process == nil || task.fs == nil {
                found.append(
                    RestoreError("task \(task.pid)", "image lacks its memory, signals or directories"))
            }
        }
        if !tree.inventory.plugins.isEmpty {
            found.append(
                RestoreError(
                    "image", "needs the CRIU plugins \(tree.inventory.plugins.joined(separator: ", "))"))
        }
        return found
    }

    /// Kinds that are not there yet, and namespaces that differ within the tree.
    private func namespaces(root: TaskImage) -> [RestoreError] {
        var found: [RestoreError] = []
        let missing = NamespaceKind.allCases.filter {
            tree.ownNamespaceKinds.contains($0) && !NamespaceRules.carried.contains($0)
        }
        if !missing.isEmpty {
            found.append(
                RestoreError(
                    "task \(root.pid)",
                    "lived in a \(missing.map(\.name).joined(separator: ", ")) namespace of its own, which cannot "
                        + "be restored yet"))
        }
        for task in tree.tasks.dropFirst() {
            guard let ids = task.ids, let rootIDs = root.ids else { continue }
            let nested = NamespaceKind.allCases.filter { kind in
                guard let number = ids[keyPath: kind.imagePlace] else { return false }
                return number != rootIDs[keyPath: kind.imagePlace] && !tree.namespaces.hasNested(kind, number)
            }
            if nested.isEmpty { continue }
            found.append(
                RestoreError(
                    "task \(task.pid)",
                    "lived in another \(nested.map(\.name).joined(separator: ", ")) namespace than the root of the "
                        + "tree, which cannot be restored yet"))
        }
        if tree.namespaces.pidLabel != nil, root.sid != root.pid, root.sid.rawValue != 0 {
            found.append(
                RestoreError(
                    "task \(root.pid)",
                    "belongs to session \(root.sid) of the pid namespace that is given, and can be born into none there",
                    remedy: "dump the tree from the leader of its session"))
        }
        let hasOwn = tree.ownNamespaceKinds.contains(.pid)
        if tree.namespaces.pidLabel == nil, hasOwn != (root.pid == PID(1)) {
            found.append(
                RestoreError(
                    "task \(root.pid)",
                    hasOwn
                        ? "is the root of a pid namespace and not its init"
                        : "is the init of no namespace of its own"))
        }
        return found
    }

    private func memory(_ task: TaskImage) -> [RestoreError] {
        guard let memory = task.memory else { return [] }
        let subject = "task \(task.pid)"
        var found: [RestoreError] = []
        let code = memory.areas.first { $0.status.contains(.vdso) }
        let dataSize = memory.areas.filter { $0.status.contains(.vvar) }.reduce(0) { $0 + $1.end &- $1.start }
        if let code {
            found += fit(task, memory, code, dataSize: dataSize)
        } else {
            found.append(RestoreError(subject, "has no vdso in its image"))
        }
        do throws(Errno) {
            let hasRings =
                !memory.aioRings.isEmpty || memory.areas.contains { $0.status.contains(.aioRing) }
            if hasRings { found += AsyncRings.problems(task, memory, cpus: try PossibleCPUs.count()) }
        } catch {
            found.append(RestoreError(subject, "the CPUs of this machine cannot be counted", errno: error))
        }
        found += MemoryPolicies.problems(task, memory)
        var end: UInt64 = 0
        for area in memory.areas where !area.status.contains(.guardRegion) {
            if area.end <= area.start || area.start < end || (area.start | area.end) & 0xfff != 0 {
                found.append(RestoreError(subject, "area \(area.name) overlaps another or has no size"))
            }
            end = area.end
            let unsupported: [(AreaStatus, String)] = [
                (.socket, "a mapped socket"),
                (.shadowStack, "a shadow stack"),
            ]
            for (status, name) in unsupported where area.status.contains(status) {
                found.append(
                    RestoreError(subject, "area \(area.name) is \(name), which cannot be restored yet"))
            }
            if area.status.contains(.systemV),
                !tree.systemV.segments.contains(where: { UInt64($0.object.id) == area.backing })
            {
                found.append(
                    RestoreError(
                        subject, "area \(area.name) maps segment \(area.backing), which is not in the image"))
            }
            if area.memoryPolicy != nil, area.status.contains(.aioRing) {
                found.append(
                    RestoreError(subject, "area \(area.name) is a ring with a memory policy, which cannot be")
                )
            }
            if area.isHuge, area.status.isDisjoint(with: [.anonymousPrivate, .memfd, .systemV]) {
                found.append(
                    RestoreError(
                        subject, "area \(area.name) maps a file of a hugetlbfs, which cannot be restored yet")
                )
            }
        }
        return found
    }

    /// A pages file that cannot be read is reported by `contents`.
    private func fit(
        _ task: TaskImage, _ memory: MemoryImage, _ area: AreaImage, dataSize: UInt64
    ) -> [RestoreError] {
        let subject = "task \(task.pid)"
        let remedy = "restore on the kernel that the image was made on"
        let bytes = payload.bytes(
            of: memory.pages, named: ImageName.pagemap(task.pid), in: area.start..<max(area.start, area.end))
        switch VDSOFit.of(bytes, size: area.end &- area.start, dataSize: dataSize, own: vdso, at: 0) {
        case .same: return []
        case .none(let why):
            return [
                RestoreError(subject, "has the vdso of another kernel build, \(why)", remedy: remedy)
            ]
        case .proxy:
            return task.threads.filter { $0.registers.ip >= area.start && $0.registers.ip < area.end }.map {
                RestoreError(
                    "task \($0.tid)", "was amid a function of the vdso of another kernel build",
                    remedy: remedy)
            }
        }
    }

    private func process(_ task: TaskImage) -> [RestoreError] {
        guard let process = task.process else { return [] }
        let subject = "task \(task.pid)"
        var found: [RestoreError] = []
        if process.signalActions.count != 62 {
            found.append(
                RestoreError(subject, "image has \(process.signalActions.count) signal actions, not 62"))
        }
        for thread in task.threads {
            if thread.shadowStack?.features ?? 0 != 0 {
                found.append(
                    RestoreError("task \(thread.tid)", "has a shadow stack, which cannot be restored yet"))
            }
            let wanted = credentials.wanted(thread.credentials)
            let missing =
                (wanted.permitted | wanted.inheritable | wanted.ambient) & ~credentials.inherited.permitted
                | wanted.bounding & ~credentials.inherited.bounding
            if missing != 0 {
                found.append(
                    RestoreError(
                        "task \(thread.tid)",
                        "has capabilities that this process lacks (0x\(String(missing, radix: 16)))",
                        remedy: "restore with at least those"))
            }
            let infos = thread.pendingSignals + (thread.tid == task.pid.leader ? process.pendingSignals : [])
            if infos.contains(where: { $0.count != 128 }) {
                found.append(RestoreError("task \(thread.tid)", "image has a pending signal of a wrong size"))
            }
        }
        found += limits(subject, process)
        return found
    }

    /// A hard limit above ours needs CAP_SYS_RESOURCE.
    private func limits(_ subject: String, _ process: ProcessImage) -> [RestoreError] {
        let resourceCapability: UInt64 = 1 << 24
        if credentials.inherited.effective & resourceCapability != 0 { return [] }
        var found: [RestoreError] = []
        for (resource, limit) in process.limits.enumerated() {
            var ours: (UInt64, UInt64) = (0, 0)
            let result = withUnsafeMutablePointer(to: &ours) { pointer in
                cp_syscall(CP_SYS_prlimit64, 0, resource, 0, Int(bitPattern: pointer), 0, 0)
            }
            if result == 0 && limit.hard > ours.1 {
                found.append(
                    RestoreError(
                        subject, "hard limit \(resource) of \(limit.hard) is above ours of \(ours.1)",
                        remedy: "raise ours, or restore with CAP_SYS_RESOURCE"))
            }
        }
        return found
    }

    /// Pages files and deleted files are there in full.
    private func contents() -> [RestoreError] {
        var found: [RestoreError] = []
        let maps =
            tree.tasks.compactMap { task in
                task.memory.map { (ImageName.pagemap(task.pid), $0.pages) }
            } + tree.sharedMemory.map { (ImageName.sharedPagemap($0.shmid), $0.pages) }
        for (name, map) in maps {
            do throws(RestoreError) { try payload.check(map, named: name) } catch { found.append(error) }
        }
        let ghosts = Set(tree.ghosts.map(\.number))
        for remap in tree.remaps where remap.kind == .ghost && !ghosts.contains(remap.target) {
            found.append(RestoreError("deleted file \(remap.target)", "is missing from the image"))
        }
        return found
    }
}

extension HugeTLB {
    /// Why memory of an image in huge pages cannot be made here; how many are free shows in the making.
    static func problem(_ bits: UInt32, _ subject: String) -> RestoreError? {
        guard let size = pageSize(bits: bits) else {
            return RestoreError(subject, "is in huge pages of no size that can be; its image is damaged")
        }
        if hasPool(size) { return nil }
        return RestoreError(
            subject, "is in huge pages of \(size) bytes, which this kernel does not have",
            remedy: "restore on a machine that has them, see hugepagesz= of the kernel's command line")
    }
}
