/// The scan rules of mappings.
enum AreaRules {
    /// One row: areas of this look give a finding of this code.
    private struct Row: Sendable {
        let code: FindingCode
        let applies: @Sendable (VMA) -> Bool
    }

    /// What an area is behind, then what the kernel does with it. An area may meet several rows.
    private static let rows: [Row] = [
        Row(code: .hugeTLB) { $0.kind == .hugeTLB },
        Row(code: .shadowStack) { $0.kind == .shadowStack },
        Row(code: .uprobes) { $0.kind == .uprobes },
        Row(code: .socketMapping) { $0.kind == .socket },
        Row(code: .unknownMapping) { $0.kind == .unknown },
        Row(code: .deviceMapping) { area in
            area.kind == .device
                || area.has([.deviceMemory, .pureFrameNumbers])
                    && ![.vvar, .vdso, .vsyscall, .uprobes].contains(area.kind)
        },
        Row(code: .sealedMapping) { $0.has(.sealed) && [.vdso, .vvar].contains($0.kind) },
        Row(code: .userfaultMapping) {
            $0.has([.faultsMissing, .faultsMinor, .faultsWriteProtected])
        },
        // Memory that may only be run has a key of the kernel's own, which mmap(2) gives it again.
        Row(code: .protectionKey) { $0.has(.protectionKey) && $0.protection != 4 },
        Row(code: .unknownAreaFlag) { $0.has(.unknown) },
    ]

    /// What the mappings of one task have to say; files are judged once for the tree, by `MappedFileRules`.
    static func findings(_ task: TaskFacts, in context: ScanContext) -> [Finding] {
        var found: [Finding] = []
        for area in task.areas {
            for row in rows where row.applies(area) {
                if row.code == .userfaultMapping, isOurs(area, task, context) { continue }
                found.append(Finding(row.code, object(area, task, context), text(area, context)))
            }
            if area.kind == .aioRing, let why = refusal(ofRing: area, task, context) {
                found.append(
                    Finding(.aio, object(area, task, context), "\(text(area, context)), \(why)"))
            }
        }
        if let first = task.nodePolicies.first {
            let count = task.nodePolicies.count
            found.append(
                Finding(
                    .memoryPolicy, FindingObject(pid: task.pid, address: first.start),
                    "memory policy \(first.policy) of mapping \(String(first.start, radix: 16))"
                        + (count == 1 ? "" : " and \(count - 1) more")))
        }
        if task.areas.contains(where: { $0.flags == nil }) {
            found.append(
                Finding(.areasNotExamined, FindingObject(pid: task.pid), "\(task.areas.count) mappings"))
        }
        return found
    }

    /// Why a ring cannot be carried. Requests under way in a running process are none of it: they end, or the dump of the
    /// frozen process is refused.
    private static func refusal(ofRing area: VMA, _ task: TaskFacts, _ context: ScanContext) -> String? {
        guard let rings = task.asyncRings else { return "whose requests this kernel does not tell" }
        let size = UInt64(AsyncRing.headSize + AsyncRing.eventSize)
        guard let ring = rings.first(where: { $0.address == area.start }),
            area.size >= size,
            UInt64(ring.places) == (area.size - UInt64(AsyncRing.headSize)) / UInt64(AsyncRing.eventSize)
        else { return "which is not whole, or was inherited by fork(2) from the process whose ring it is" }
        if !context.snapshot.isFrozen || ring.underWay == 0 { return nil }
        return "with \(ring.underWay) request\(ring.underWay == 1 ? "" : "s") under way"
    }

    /// Whether it was a dump that registered the area, to know what is written there.
    private static func isOurs(_ area: VMA, _ task: TaskFacts, _ context: ScanContext) -> Bool {
        context.snapshot.watchedTasks.contains(task.pid) && !area.has([.faultsMissing, .faultsMinor])
    }

    private static func object(_ area: VMA, _ task: TaskFacts, _ context: ScanContext) -> FindingObject {
        let file = area.file.map { context.snapshot[$0] }
        return FindingObject(
            pid: task.pid, address: area.start, inode: file?.inode,
            path: file.flatMap { $0.reach == .notAPath ? nil : $0.path })
    }

    private static func text(_ area: VMA, _ context: ScanContext) -> String {
        let range = "\(String(area.start, radix: 16))-\(String(area.end, radix: 16))"
        let name = area.file.map { context.snapshot[$0].path } ?? area.name
        return name.isEmpty ? "mapping \(range)" : "mapping \(range) of \(name)"
    }
}

extension VMA {
    /// Whether any of these flags is set.
    fileprivate func has(_ wanted: AreaFlags) -> Bool {
        flags.map { !$0.isDisjoint(with: wanted) } ?? false
    }
}

/// The scan rule of files behind mappings, once for each file of the tree.
enum MappedFileRules {
    static func findings(in context: ScanContext) -> [Finding] {
        let snapshot = context.snapshot
        var kinds = [AreaKind?](repeating: nil, count: snapshot.mappedFiles.count)
        for task in snapshot.tasks {
            for area in task.areas {
                if let file = area.file { kinds[file.rawValue] = area.kind }
            }
        }
        return snapshot.mappedFiles.flatMap { file -> [Finding] in
            let object = FindingObject(
                pid: file.pid, address: file.start, inode: file.inode,
                path: file.reach == .notAPath ? nil : file.path)
            switch kinds[file.id.rawValue] {
            case .file, .zeroDevice:
                return NamedFile.findings(file.path, file.facts, file.reach, at: object, in: context)
            case .sharedAnonymous, .memfd:
                let outsiders = context.outsiders(file.inode)
                if outsiders.isEmpty { return [] }
                var shared = object
                shared.peer = outsiders.joined(separator: ", ")
                return [
                    Finding(
                        .sharedMemoryOutside, shared,
                        "shared memory \(file.inode), also held by \(outsiders.joined(separator: ", "))")
                ]
            default: return []
            }
        }
    }
}
