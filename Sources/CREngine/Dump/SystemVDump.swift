import Glibc

/// Takes the objects of System V IPC that a frozen tree uses.
enum SystemVDump {
    /// Segments without contents, semaphores with their values, queues with their messages.
    static func image(
        of facts: SystemVFacts, adjustments: [SemaphoreAdjustmentImage]
    ) throws(DumpError) -> SystemVImage {
        var image = SystemVImage()
        if let odd = facts.oddUndoLists.first {
            throw .cannotCarry("thread \(odd) has adjustments of semaphores of its own (SEM_UNDO)")
        }
        for row in adjustments
        where !facts.semaphores.contains(where: { UInt32($0.row.object.id) == row.set }) {
            throw .cannotCarry(
                "process \(row.pid) adjusts semaphore set \(row.set) at its end (SEM_UNDO), which others used last"
            )
        }
        image.adjustments = adjustments
        for segment in facts.segments {
            let object = SystemVObjectImage(segment.row.object)
            if segment.isShared {
                throw .cannotCarry(
                    "shared memory segment \(object.id) is mapped outside the tree: the kernel counts \(segment.row.attachments) mappings, the tree has \(segment.attachments)"
                )
            }
            var row = SharedSegmentImage(object: object, size: segment.row.size)
            row.creator = segment.row.creator.rawValue
            image.segments.append(row)
        }
        for set in facts.semaphores {
            try refuse(set.outsiders, "semaphore set \(set.row.object.id)")
            do throws(Errno) {
                var row = SemaphoreSetImage(
                    object: SystemVObjectImage(set.row.object),
                    values: try SystemV.values(of: set.row.object.id, count: set.row.count))
                row.lastUsers = set.lastUsers.map(\.rawValue)
                image.semaphores.append(row)
            } catch {
                throw .environment("semaphore set \(set.row.object.id) cannot be read: \(error)")
            }
        }
        for queue in facts.queues {
            try refuse(queue.outsiders, "message queue \(queue.row.object.id)")
            do throws(Errno) {
                image.queues.append(try messages(of: queue.row))
            } catch {
                throw .environment("message queue \(queue.row.object.id) cannot be read: \(error)")
            }
        }
        return image
    }

    private static func refuse(_ outsiders: [String], _ subject: String) throws(DumpError) {
        if outsiders.isEmpty { return }
        throw .cannotCarry("\(subject) is also used by \(outsiders.joined(separator: ", "))")
    }

    private static func messages(of row: MessageQueueRow) throws(Errno) -> MessageQueueImage {
        let id = row.object.id
        var queue = MessageQueueImage(
            object: SystemVObjectImage(row.object),
            capacity: UInt32(clamping: try SystemV.capacity(ofQueue: id)))
        queue.lastSender = row.lastSender.rawValue
        queue.lastReceiver = row.lastReceiver.rawValue
        while let message = try SystemV.peek(id, place: queue.messages.count, largest: Int(row.bytes)) {
            queue.messages.append(message)
        }
        return queue
    }
}

extension SystemVObjectImage {
    init(_ row: SystemVObjectRow) {
        self.init(
            key: UInt32(bitPattern: row.key), id: UInt32(row.id), uid: row.uid, gid: row.gid, cuid: row.cuid,
            cgid: row.cgid, mode: row.mode)
    }
}

extension DumpBuilder {
    /// Contents of segments; of one that nobody maps through a mapping of our own.
    mutating func copySegments() throws(DumpError) {
        let (facts, adjustments) = (snapshot.systemV, adjustments)
        systemV = try NamespacesDump.visit(.ipc, of: snapshot) { () throws(DumpError) in
            try SystemVDump.image(of: facts, adjustments: adjustments)
        }
        for place in systemV.segments.indices {
            try pause.check()
            let segment = snapshot.systemV.segments[place]
            let id = segment.row.object.id
            if files.memfds.contains(where: { UInt64($0.shmid) == UInt64(id) }) {
                throw .cannotCarry(
                    "shared memory segment \(id) and a memory file have the same number; dump once more after the program made it again"
                )
            }
            if let mapping = segment.place {
                let range = "\(String(mapping.start, radix: 16))-\(String(mapping.end, radix: 16))"
                try copySegment(place, "/proc/\(mapping.pid)/map_files/\(range)")
                continue
            }
            let attachment = try attach(id)
            try copySegment(place, attachment.path)
            _ = consume attachment
        }
    }

    private func attach(_ id: Int32) throws(DumpError) -> SegmentAttachment {
        guard snapshot.ownNamespaceKinds.contains(.ipc) else { return try Self.attach(id) }
        // A mapping stays when its maker goes home.
        return try NamespaceVisit.run(
            .ipc, of: snapshot.root, refusal: { DumpError.environment("\($0)") }
        ) { () throws(DumpError) in try Self.attach(id) }
    }

    private static func attach(_ id: Int32) throws(DumpError) -> SegmentAttachment {
        do throws(Errno) {
            return try SegmentAttachment(id)
        } catch {
            throw .environment("shared memory segment \(id) cannot be attached: \(error)")
        }
    }
}
