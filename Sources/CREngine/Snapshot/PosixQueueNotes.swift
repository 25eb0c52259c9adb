/// What the kernel keeps of a POSIX message queue, all of which no call tells without a change.
package struct PosixQueueNote: Equatable, Sendable {
    /// Who is told of the next message in an empty queue; see mq_notify(3).
    package struct Notification: Equatable, Sendable {
        /// SIGEV_*
        package var kind: Int32
        package var signal: Int32
        package var value: UInt64
        /// Nil where we do not know its number.
        package var owner: PID?

        /// SIGEV_THREAD: by a message to a netlink socket of the process.
        package var isBySocket: Bool { kind == 2 }
    }
    /// Of its struct mqueue_inode_info.
    var address: UInt64
    package var mostMessages: Int64
    package var largestMessage: Int64
    package var messages: Int64
    /// Of all messages.
    package var bytes: UInt64
    package var notification: Notification?
}

/// Reads POSIX message queues inside the kernel (ipc/mqueue.c and ipc/msgutil.c). mq_receive(3) can only take a message out.
///
/// Nobody may use the queue meanwhile, or what is read is torn; then numbers do not agree, and it is refused.
struct PosixQueueReader: Sendable {
    /// Places of members in their structures.
    private struct Places {
        let (inode, inodeInside): (Int32, Int32)
        let (attributes, most, largest, count): (Int32, Int32, Int32, Int32)
        let (bytes, tree): (Int32, Int32)
        let (notification, owner, numbers): (Int32, Int32, Int32)
        let (left, right): (Int32, Int32)
        let (node, list, priority): (Int32, Int32, Int32)
        let (next, link, size, rest): (Int32, Int32, Int32, Int32)
        let following: Int32
        let (queueSize, nodeSize, headSize, partSize): (Int, Int, Int, Int)

        init(_ types: KernelTypes) throws(Errno) {
            let (queue, message, part) = ("mqueue_inode_info", "msg_msg", "msg_msgseg")
            (inode, inodeInside) = (try types.offset("file", "f_inode"), try types.offset(queue, "vfs_inode"))
            attributes = try types.offset(queue, "attr")
            most = try types.offset("mq_attr", "mq_maxmsg")
            largest = try types.offset("mq_attr", "mq_msgsize")
            count = try types.offset("mq_attr", "mq_curmsgs")
            (bytes, tree) = (try types.offset(queue, "qsize"), try types.offset(queue, "msg_tree"))
            notification = try types.offset(queue, "notify")
            owner = try types.offset(queue, "notify_owner")
            numbers = try types.offset("pid", "numbers")
            (left, right) = (try types.offset("rb_node", "rb_left"), try types.offset("rb_node", "rb_right"))
            node = try types.offset("posix_msg_tree_node", "rb_node")
            list = try types.offset("posix_msg_tree_node", "msg_list")
            priority = try types.offset("posix_msg_tree_node", "priority")
            (next, link) = (try types.offset("list_head", "next"), try types.offset(message, "m_list"))
            (size, rest) = (try types.offset(message, "m_ts"), try types.offset(message, "next"))
            following = try types.offset(part, "next")
            (queueSize, nodeSize) = (try types.size(queue), try types.size("posix_msg_tree_node"))
            (headSize, partSize) = (try types.size(message), try types.size(part))
        }
    }
    private let places: Places
    private let memory: KernelMemory
    private let descriptors: DescriptorNotesReader

    init(_ types: KernelTypes, _ descriptors: DescriptorNotesReader) throws(Errno) {
        places = try Places(types)
        memory = try KernelMemory(types)
        self.descriptors = descriptors
    }

    /// By descriptor; those of `numbers` must be queues. `knowsTasks`: whether the kernel's own numbers of tasks are ours.
    func queues(
        of pid: PID, _ numbers: some Sequence<Int32>, knowsTasks: Bool
    ) throws(Errno) -> [Int32: PosixQueueNote] {
        let files = try descriptors.addresses(of: pid)
        var found: [Int32: PosixQueueNote] = [:]
        for number in numbers {
            guard let file = files[number] else { throw .noEntry }
            let inode = try word(at: file + offset(places.inode))
            found[number] = try queue(inode - offset(places.inodeInside), knowsTasks)
        }
        return found
    }

    /// The messages of a queue in the order in which they would be received.
    func messages(of queue: PosixQueueNote) throws(Errno) -> [PosixQueueImage.Message] {
        var found: [PosixQueueImage.Message] = []
        for list in try lists(of: queue) {
            var place = try word(at: list.head + offset(places.next))
            while place != list.head {
                if found.count == queue.messages { throw .io }
                let message = place - offset(places.link)
                let head = try memory.bytes(at: message, count: places.headSize)
                let bytes = try content(of: message, head, largest: queue.largestMessage)
                found.append(PosixQueueImage.Message(priority: list.priority, bytes: bytes))
                place = Self.word(head, places.link + places.next)
            }
        }
        let total = found.reduce(0) { $0 + UInt64($1.bytes.count) }
        if found.count != queue.messages || total != queue.bytes { throw .io }
        return found
    }

    private func queue(_ address: UInt64, _ knowsTasks: Bool) throws(Errno) -> PosixQueueNote {
        let bytes = try memory.bytes(at: address, count: places.queueSize)
        func attribute(_ place: Int32) -> Int64 {
            Int64(bitPattern: Self.word(bytes, places.attributes + place))
        }
        var note = PosixQueueNote(
            address: address, mostMessages: attribute(places.most), largestMessage: attribute(places.largest),
            messages: attribute(places.count), bytes: Self.word(bytes, places.bytes))
        let owner = Self.word(bytes, places.owner)
        if owner == 0 { return note }
        // struct sigevent: value, signal, kind
        let numbers = Self.word(bytes, places.notification + 8)
        note.notification = .init(
            kind: Int32(truncatingIfNeeded: numbers >> 32), signal: Int32(truncatingIfNeeded: numbers),
            value: Self.word(bytes, places.notification))
        if knowsTasks {
            let number = try word(at: owner + offset(places.numbers))
            note.notification?.owner = PID(Int32(truncatingIfNeeded: number))
        }
        return note
    }

    /// Lists of messages of one priority each, the highest first. The tree has those of higher ones to the right.
    private func lists(of queue: PosixQueueNote) throws(Errno) -> [(priority: UInt32, head: UInt64)] {
        var found: [(priority: UInt32, head: UInt64)] = []
        var waiting: [UInt64] = []
        var node = try word(at: queue.address + offset(places.tree))
        // Each list has a message.
        while node != 0 || !waiting.isEmpty {
            while node != 0 {
                if waiting.count + found.count >= queue.messages { throw .io }
                waiting.append(node)
                node = try word(at: node + offset(places.right))
            }
            let leaf = waiting.removeLast() - offset(places.node)
            let bytes = try memory.bytes(at: leaf, count: places.nodeSize)
            found.append((Self.half(bytes, places.priority), leaf + offset(places.list)))
            node = Self.word(bytes, places.node + places.left)
        }
        return found
    }

    /// The first part is behind the head, in the same page; each part after it has a page of its own.
    private func content(
        of message: UInt64, _ head: [UInt8], largest: Int64
    ) throws(Errno) -> [UInt8] {
        let size = Self.word(head, places.size)
        if size > UInt64(bitPattern: largest) { throw .io }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Int(size))
        var (part, next, header) = (message, Self.word(head, places.rest), places.headSize)
        while true {
            let count = min(Int(size) - bytes.count, pageSize - header)
            bytes += try memory.bytes(at: part + UInt64(header), count: count)
            if bytes.count == size { return bytes }
            if next == 0 { throw .io }
            (part, header) = (next, places.partSize)
            next = try word(at: part + offset(places.following))
        }
    }

    private func word(at address: UInt64) throws(Errno) -> UInt64 {
        Self.word(try memory.bytes(at: address, count: 8), 0)
    }

    private func offset(_ place: Int32) -> UInt64 { UInt64(place) }

    private static func word(_ bytes: [UInt8], _ place: Int32) -> UInt64 {
        bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: Int(place), as: UInt64.self) }
    }

    private static func half(_ bytes: [UInt8], _ place: Int32) -> UInt32 {
        bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: Int(place), as: UInt32.self) }
    }
}
