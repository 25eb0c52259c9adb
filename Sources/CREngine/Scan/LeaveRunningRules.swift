import PolicyModel

/// What `dump.after: leave-running` demands of a tree: that a checkpoint of it can still be restored after the tree has
/// gone on, and that the tree can bear the pause.
enum LeaveRunningRules {
    static func findings(_ policy: Policy, in context: ScanContext) -> [Finding] {
        guard policy.dump.after == .leaveRunning else { return [] }
        var found: [Finding] = []
        found += connections(in: context, isAllowed: policy.dump.establishedTCP == .allow)
        found += writtenFiles(in: context).map { finding($0, policy) }
        return found
    }

    /// A connection to the outside goes on without the checkpoint: its sequence numbers are history soon.
    private static func connections(in context: ScanContext, isAllowed: Bool) -> [Finding] {
        let snapshot = context.snapshot
        return snapshot.openFiles.compactMap { file in
            guard let socket = TCPSocket.recognise(file, in: snapshot), let ends = socket.ends,
                context.connections.contains(ends), !context.connections.contains(ends.reversed)
            else { return nil }
            return Finding(
                .connectionGoesOn, context.object(file, peer: socket.remote),
                "leave-running with tcp \(socket.local) -> \(socket.remote)",
                severity: isAllowed ? .warn : .block)
        }
    }

    /// A file with a name that the tree can change after the checkpoint.
    private struct WrittenFile {
        var object: FindingObject
        var what: String
    }

    /// Each file once. A deleted one travels with the images, as it is when the tree is stopped.
    private static func writtenFiles(in context: ScanContext) -> [WrittenFile] {
        struct Key: Hashable {
            var device: DeviceNumber
            var inode: UInt64
        }
        let snapshot = context.snapshot
        var seen: Set<Key> = []
        var found: [WrittenFile] = []
        func add(_ facts: FileFacts?, _ file: WrittenFile) {
            guard let facts, facts.type == .regular, facts.links > 0,
                seen.insert(Key(device: facts.device, inode: facts.inode)).inserted
            else { return }
            found.append(file)
        }
        for file in snapshot.openFiles
        where file.canWrite && FileTable.tag(of: file, in: snapshot) == .regularFile {
            add(
                file.facts,
                WrittenFile(object: context.object(file), what: "\(file.link) is open for writing"))
        }
        for task in snapshot.tasks {
            for area in task.areas where area.isShared && area.kind == .file && area.mayBeWritten {
                guard let id = area.file else { continue }
                let file = snapshot[id]
                let object = FindingObject(
                    pid: task.pid, address: area.start, inode: file.inode, path: file.path)
                add(file.facts, WrittenFile(object: object, what: "\(file.path) is mapped for writing"))
            }
        }
        return found
    }

    private static func finding(_ file: WrittenFile, _ policy: Policy) -> Finding {
        switch policy.dump.filesystem {
        case .hook:
            let names = policy.hooks.filter { $0.at == .frozen }.map { "\"\($0.name)\"" }
            if names.isEmpty { fallthrough }
            return Finding(
                .fileGoesOn, file.object, "\(file.what), kept by hook \(names.joined(separator: ", "))",
                severity: .info)
        case .copy, .appendOnly, .none:
            return Finding(.fileGoesOn, file.object, "\(file.what) and nothing keeps it in step")
        case .unsafeIgnore:
            return Finding(
                .fileGoesOn, file.object, "\(file.what), out of step by unsafe-ignore", severity: .warn)
        }
    }
}

extension VMA {
    /// PROT_WRITE now, or VM_MAYWRITE: mprotect(2) can give it.
    fileprivate var mayBeWritten: Bool {
        protection & 2 != 0 || (flags?.contains(.mayWrite) ?? false)
    }
}
