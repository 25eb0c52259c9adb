/// The scan rules of System V IPC.
enum SystemVRules {
    static func findings(in context: ScanContext) -> [Finding] {
        let facts = context.snapshot.systemV
        var found: [Finding] = []
        for segment in facts.segments where segment.isShared {
            var object = FindingObject(
                pid: segment.place?.pid, address: segment.place?.start, inode: UInt64(segment.row.object.id))
            let others =
                segment.outsiders.isEmpty
                ? "\(segment.row.attachments) mappings of it, \(segment.attachments) in the tree"
                : "also mapped by \(short(segment.outsiders))"
            if !segment.outsiders.isEmpty { object.peer = short(segment.outsiders) }
            found.append(
                Finding(.systemV, object, "shared memory segment \(name(segment.row.object)), \(others)"))
        }
        let sets = facts.semaphores.map { ("semaphore set", $0.row.object, $0.outsiders) }
        let queues = facts.queues.map { ("message queue", $0.row.object, $0.outsiders) }
        for (kind, object, outsiders) in sets + queues where !outsiders.isEmpty {
            found.append(
                Finding(
                    .ipcOutside, FindingObject(inode: UInt64(object.id), peer: short(outsiders)),
                    "\(kind) \(name(object)), also used by \(short(outsiders))"))
        }
        found += facts.posixQueues.compactMap { queue in
            guard let obstacle = queue.obstacle(in: context.snapshot) else { return nil }
            return Finding(
                .messageQueue, FindingObject(pid: context.snapshot.root, path: "/\(queue.name)"),
                "message queue /\(queue.name) of the tree's ipc namespace: \(obstacle)")
        }
        found += facts.oddUndoLists.map {
            Finding(
                .semaphoreUndo, FindingObject(tid: $0),
                "thread \($0) has adjustments of semaphores of its own")
        }
        return found
    }

    private static func name(_ object: SystemVObjectRow) -> String {
        let key = UInt32(bitPattern: object.key)
        return key == 0 ? "\(object.id)" : "\(object.id) (key 0x\(String(key, radix: 16)))"
    }

    private static func short(_ names: [String]) -> String {
        let few = names.count <= 4 ? names : names.prefix(3) + ["\(names.count - 3) more"]
        return few.joined(separator: ", ")
    }
}
