package import PolicyModel

/// What one tree holds that a dump cannot carry, or that leads out of the tree. Pure: all facts are in the snapshot.
package enum Scanner {
    /// Findings in a fixed order: by task, then files behind mappings, then open files, System V IPC, locks, what happened on the way.
    package static func scan(_ snapshot: Snapshot, allow: Allowances) -> [Finding] {
        let context = ScanContext(snapshot: snapshot, allow: allow)
        var found: [Finding] = []
        for task in snapshot.tasks {
            found += TaskRules.findings(task, in: context)
            found += AreaRules.findings(task, in: context)
        }
        found += NamespaceRules.given(snapshot, allow)
        if let network = snapshot.network, snapshot.label(of: .net, allow) == nil {
            found += NetworkRules.findings(network, pid: snapshot.root, allow: allow)
        }
        if let mounts = snapshot.mounts {
            found += MountRules.findings(mounts, MountAllowances(allow))
        }
        found += MappedFileRules.findings(in: context)
        for file in snapshot.openFiles {
            found += FileTable.findings(of: file, in: context)
        }
        found += SystemVRules.findings(in: context)
        found += FileLockRules.findings(in: context)
        found += snapshot.events.map(event)
        return once(found)
    }

    private static func event(_ event: CollectionEvent) -> Finding {
        switch event {
        case .processVanished(let pid):
            Finding(.vanished, FindingObject(pid: pid), "process \(pid) ended during the look")
        case .threadVanished(let pid, let tid):
            Finding(
                .vanished, FindingObject(pid: pid, tid: tid), "thread \(tid) ended during the look",
                severity: .info)
        case .descriptorClosed(let pid, let fd):
            Finding(
                .vanished, FindingObject(pid: pid, fd: fd), "descriptor \(fd) was closed during the look",
                severity: .info)
        case .unreadable(let pid, let what, let errno):
            Finding(.unreadable, FindingObject(pid: pid), "/proc/\(pid)/\(what): \(errno)")
        }
    }

    /// A deleted or replaced file that is open, mapped and the program of several tasks is told once.
    private static func once(_ findings: [Finding]) -> [Finding] {
        struct Key: Hashable {
            var code: FindingCode
            var path: String?
            var inode: UInt64?
        }
        let perFile: Set<FindingCode> = [
            .pathReplaced, .nameGone, .ghostTooLarge, .deletedDirectory, .pathUnknown, .ghostFile,
        ]
        var told: [Finding] = []
        var places: [Key: Int] = [:]
        for finding in findings {
            let key = Key(code: finding.code, path: finding.object.path, inode: finding.object.inode)
            guard perFile.contains(finding.code), let place = places[key] else {
                places[key] = told.count
                told.append(finding)
                continue
            }
            // Of all that lead to a file a descriptor is what its holder knows by number.
            if told[place].object.fd == nil, finding.object.fd != nil { told[place].object = finding.object }
        }
        return told
    }
}

extension FileTable {
    /// The findings of an open file by the row of its kind.
    static func findings(of file: OpenFile, in context: ScanContext) -> [Finding] {
        for row in rows {
            if let findings = row.findings(file, context) {
                return findings + SignalOwner.findings(file, in: context)
            }
        }
        return []
    }
}
