import CPlatform

// ipcns-mqueue-NS.img: rows and messages as ipcns-msg-NS.img has them of System V queues, so that crit decodes it. A stock
// criu does not look at the file. The id is the queue's number in the images, the type of a message its priority.

extension PosixQueueImage {
    /// MQ_PRIO_MAX of limits.h.
    fileprivate static let priorities: UInt64 = 32768
    /// HARD_MSGMAX and HARD_MSGSIZEMAX of include/linux/ipc_namespace.h.
    private static let (hardMost, hardLargest): (Int64, Int64) = (65536, 16 << 20)

    /// A namespace without queues has no file.
    static func write(
        _ queues: [PosixQueueImage], namespace: UInt32, to directory: borrowing OwnedFD
    ) throws(ImageError) {
        if queues.isEmpty { return }
        var file = ImageFileWriter(.messageQueues, name: ImageName.posixQueues(namespace))
        for queue in queues {
            file.append(queue.packed())
            for message in queue.messages {
                file.append(message.packed())
                let padding = (8 - message.bytes.count % 8) % 8
                file.append(payload: message.bytes + [UInt8](repeating: 0, count: padding))
            }
        }
        try file.save(in: directory)
    }

    static func read(
        namespace: UInt32, in directory: borrowing OwnedFD, _ framing: ImageFileReader.Framing
    ) throws(ImageError) -> [PosixQueueImage] {
        let found = try ImageFileReader.openIfPresent(
            .messageQueues, name: ImageName.posixQueues(namespace), in: directory, framing: framing)
        guard var reader = found else { return [] }
        var queues: [PosixQueueImage] = []
        while let entry = try reader.next() {
            var (queue, count) = try entry.read(ipc_msg_entry__unpack) {
                (message) throws(ImageError) -> (PosixQueueImage, Int) in
                let desc = message.desc.pointee
                return (
                    PosixQueueImage(number: desc.id, uid: desc.uid, gid: desc.gid, mode: desc.mode),
                    Int(message.qnum)
                )
            }
            if queues.contains(where: { $0.number == queue.number }) {
                throw entry.error("queue \(queue.number) is there twice")
            }
            for _ in 0..<count {
                guard let next = try reader.next() else {
                    throw entry.error(
                        "queue \(queue.number) has fewer messages than the \(count) it tells of")
                }
                queue.messages.append(try Message(next, &reader))
            }
            queues.append(queue)
        }
        return queues
    }

    /// What the kernel would not make.
    func check() throws(ImageError) {
        func refuse(_ what: String) throws(ImageError) {
            throw ImageError(file: ImageName.extras, "message queue \(number) \(what)")
        }
        if name.isEmpty || name.utf8.count > 255 || name == "." || name == ".."
            || name.utf8.contains(where: { $0 == 0x2f || $0 == 0 })
        {
            try refuse("has no possible name")
        }
        if !(1...Self.hardMost).contains(mostMessages) || !(1...Self.hardLargest).contains(largestMessage) {
            try refuse("has room for \(mostMessages) messages of \(largestMessage) bytes, which cannot be")
        }
        if messages.count > mostMessages || messages.contains(where: { $0.bytes.count > largestMessage }) {
            try refuse("has more messages, or larger ones, than it has room for")
        }
        if let kind = notification?.kind, kind != 0 && kind != 1 {
            try refuse("has a notification of kind \(kind), which is not restored")
        }
        if let signal = notification?.signal, !(0...64).contains(signal) {
            try refuse("notifies by signal \(signal), which there is not")
        }
    }

    private func packed() -> [UInt8] {
        MessageArena.pack { arena in
            let message = arena.make(ipc_msg_entry__init)
            let desc = arena.make(ipc_desc_entry__init)
            (desc.pointee.id, desc.pointee.mode) = (number, mode)
            (desc.pointee.uid, desc.pointee.gid) = (uid, gid)
            (desc.pointee.cuid, desc.pointee.cgid) = (uid, gid)
            message.pointee.desc = desc
            message.pointee.qbytes = UInt32(clamping: mostMessages * largestMessage)
            message.pointee.qnum = UInt32(messages.count)
            return message
        }
    }
}

extension PosixQueueImage.Message {
    fileprivate func packed() -> [UInt8] {
        MessageArena.pack { arena in
            let message = arena.make(ipc_msg__init)
            (message.pointee.mtype, message.pointee.msize) = (UInt64(priority), UInt32(bytes.count))
            return message
        }
    }

    fileprivate init(_ entry: ImageEntry, _ reader: inout ImageFileReader) throws(ImageError) {
        let (priority, count) = try entry.read(ipc_msg__unpack) {
            (message) throws(ImageError) -> (UInt64, Int) in (message.mtype, Int(message.msize))
        }
        guard priority < PosixQueueImage.priorities else {
            throw entry.error("priority \(priority) is not possible")
        }
        self.init(
            priority: UInt32(priority),
            bytes: Array(try reader.payload((count + 7) / 8 * 8).prefix(count)))
    }
}
