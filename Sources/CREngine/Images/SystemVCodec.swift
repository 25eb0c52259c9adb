import CPlatform

// ipcns-shm-NS.img, ipcns-sem-NS.img and ipcns-msg-NS.img.

extension SystemVImage {
    /// A kind without objects has no file.
    func write(namespace: UInt32, to directory: borrowing OwnedFD) throws(ImageError) {
        if !segments.isEmpty {
            var file = ImageFileWriter(.sharedSegments, name: ImageName.sharedSegments(namespace))
            for segment in segments {
                file.append(segment.packed())
                if let bytes = segment.bytes { file.append(payload: Self.padded(bytes, to: 4)) }
            }
            try file.save(in: directory)
        }
        if !semaphores.isEmpty {
            var file = ImageFileWriter(.semaphoreSets, name: ImageName.semaphoreSets(namespace))
            for set in semaphores {
                file.append(set.packed())
                let bytes = set.values.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] }
                file.append(payload: Self.padded(bytes, to: 8))
            }
            try file.save(in: directory)
        }
        if !queues.isEmpty {
            var file = ImageFileWriter(.messageQueues, name: ImageName.messageQueues(namespace))
            for queue in queues {
                file.append(queue.packed())
                for message in queue.messages {
                    file.append(message.packed())
                    file.append(payload: Self.padded(message.bytes, to: 8))
                }
            }
            try file.save(in: directory)
        }
    }

    static func read(
        namespace: UInt32, in directory: borrowing OwnedFD, _ framing: ImageFileReader.Framing
    ) throws(ImageError) -> SystemVImage {
        var image = SystemVImage()
        if let reader = try ImageFileReader.openIfPresent(
            .sharedSegments, name: ImageName.sharedSegments(namespace), in: directory, framing: framing)
        {
            image.segments = try SharedSegmentImage.readAll(reader)
        }
        if let reader = try ImageFileReader.openIfPresent(
            .semaphoreSets, name: ImageName.semaphoreSets(namespace), in: directory, framing: framing)
        {
            image.semaphores = try SemaphoreSetImage.readAll(reader)
        }
        if let reader = try ImageFileReader.openIfPresent(
            .messageQueues, name: ImageName.messageQueues(namespace), in: directory, framing: framing)
        {
            image.queues = try MessageQueueImage.readAll(reader)
        }
        return image
    }

    /// Ids that appear twice in a kind would be made twice.
    fileprivate static func refuseTwins(_ id: UInt32, _ seen: inout Set<UInt32>, _ entry: ImageEntry)
        throws(ImageError)
    {
        guard id <= UInt32(Int32.max) else { throw entry.error("id \(id) is not possible") }
        guard seen.insert(id).inserted else { throw entry.error("id \(id) is there twice") }
    }

    private static func padded(_ bytes: [UInt8], to unit: Int) -> [UInt8] {
        bytes + [UInt8](repeating: 0, count: (unit - bytes.count % unit) % unit)
    }
}

extension SystemVObjectImage {
    fileprivate func message(in arena: MessageArena) -> UnsafeMutablePointer<IpcDescEntry> {
        let message = arena.make(ipc_desc_entry__init)
        (message.pointee.key, message.pointee.id, message.pointee.mode) = (key, id, mode)
        (message.pointee.uid, message.pointee.gid) = (uid, gid)
        (message.pointee.cuid, message.pointee.cgid) = (cuid, cgid)
        return message
    }

    fileprivate init(_ message: UnsafeMutablePointer<IpcDescEntry>) {
        let desc = message.pointee
        self.init(
            key: desc.key, id: desc.id, uid: desc.uid, gid: desc.gid, cuid: desc.cuid, cgid: desc.cgid,
            mode: desc.mode)
    }
}

extension SharedSegmentImage {
    fileprivate func packed() -> [UInt8] {
        MessageArena.pack { arena in
            let message = arena.make(ipc_shm_entry__init)
            message.pointee.desc = object.message(in: arena)
            message.pointee.size = size
            (message.pointee.has_in_pagemaps, message.pointee.in_pagemaps) = (1, bytes == nil ? 1 : 0)
            if let hugePages {
                (message.pointee.has_hugetlb_flag, message.pointee.hugetlb_flag) = (1, hugePages)
            }
            return message
        }
    }

    fileprivate static func readAll(_ reader: consuming ImageFileReader) throws(ImageError) -> [Self] {
        var rows: [Self] = []
        var seen: Set<UInt32> = []
        while let entry = try reader.next() {
            var (row, isElsewhere) = try entry.read(ipc_shm_entry__unpack) {
                (message) throws(ImageError) -> (Self, Bool) in
                var row = Self(object: SystemVObjectImage(message.desc), size: message.size)
                row.hugePages = given(message.has_hugetlb_flag, message.hugetlb_flag)
                return (row, message.has_in_pagemaps != 0 && message.in_pagemaps != 0)
            }
            try SystemVImage.refuseTwins(row.object.id, &seen, entry)
            guard row.size > 0, row.size < 1 << 47 else {
                throw entry.error("segment of \(row.size) bytes is not possible")
            }
            if !isElsewhere {
                row.bytes = Array(try reader.payload(Int((row.size + 3) / 4 * 4)).prefix(Int(row.size)))
            }
            rows.append(row)
        }
        return rows
    }
}

extension SemaphoreSetImage {
    fileprivate func packed() -> [UInt8] {
        MessageArena.pack { arena in
            let message = arena.make(ipc_sem_entry__init)
            message.pointee.desc = object.message(in: arena)
            message.pointee.nsems = UInt32(values.count)
            return message
        }
    }

    fileprivate static func readAll(_ reader: consuming ImageFileReader) throws(ImageError) -> [Self] {
        var rows: [Self] = []
        var seen: Set<UInt32> = []
        while let entry = try reader.next() {
            var (row, count) = try entry.read(ipc_sem_entry__unpack) {
                (message) throws(ImageError) -> (Self, Int) in
                (Self(object: SystemVObjectImage(message.desc), values: []), Int(message.nsems))
            }
            try SystemVImage.refuseTwins(row.object.id, &seen, entry)
            let bytes = try reader.payload((count * 2 + 7) / 8 * 8)
            row.values = (0..<count).map { UInt16(bytes[$0 * 2]) | UInt16(bytes[$0 * 2 + 1]) << 8 }
            rows.append(row)
        }
        return rows
    }
}

extension MessageQueueImage {
    fileprivate func packed() -> [UInt8] {
        MessageArena.pack { arena in
            let message = arena.make(ipc_msg_entry__init)
            message.pointee.desc = object.message(in: arena)
            (message.pointee.qbytes, message.pointee.qnum) = (capacity, UInt32(messages.count))
            return message
        }
    }

    fileprivate static func readAll(_ reader: consuming ImageFileReader) throws(ImageError) -> [Self] {
        var rows: [Self] = []
        var seen: Set<UInt32> = []
        while let entry = try reader.next() {
            var (row, count) = try entry.read(ipc_msg_entry__unpack) {
                (message) throws(ImageError) -> (Self, Int) in
                (
                    Self(object: SystemVObjectImage(message.desc), capacity: message.qbytes),
                    Int(message.qnum)
                )
            }
            try SystemVImage.refuseTwins(row.object.id, &seen, entry)
            for _ in 0..<count {
                guard let next = try reader.next() else {
                    throw entry.error(
                        "queue \(row.object.id) has fewer messages than the \(count) it tells of")
                }
                row.messages.append(try Message(next, &reader))
            }
            rows.append(row)
        }
        return rows
    }
}

extension MessageQueueImage.Message {
    fileprivate func packed() -> [UInt8] {
        MessageArena.pack { arena in
            let message = arena.make(ipc_msg__init)
            (message.pointee.mtype, message.pointee.msize) = (type, UInt32(bytes.count))
            return message
        }
    }

    fileprivate init(_ entry: ImageEntry, _ reader: inout ImageFileReader) throws(ImageError) {
        let (type, count) = try entry.read(ipc_msg__unpack) {
            (message) throws(ImageError) -> (UInt64, Int) in (message.mtype, Int(message.msize))
        }
        guard type > 0, type <= UInt64(Int64.max) else {
            throw entry.error("message type \(type) is not possible")
        }
        self.init(type: type, bytes: Array(try reader.payload((count + 7) / 8 * 8).prefix(count)))
    }
}
