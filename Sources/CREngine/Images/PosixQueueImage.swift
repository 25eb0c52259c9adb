/// A POSIX message queue of the tree's own ipc namespace: owner and messages in `ipcns-mqueue-NS.img`, the rest in
/// `crplan.json`. See mq_overview(7).
package struct PosixQueueImage: Equatable, Sendable {
    package struct Message: Equatable, Sendable {
        package var priority: UInt32
        package var bytes: [UInt8]
        package init(priority: UInt32, bytes: [UInt8]) {
            self.priority = priority
            self.bytes = bytes
        }
    }
    /// What a process asked for by mq_notify(3).
    package struct Notification: Codable, Equatable, Sendable {
        package var pid: Int32
        /// SIGEV_SIGNAL is 0, SIGEV_NONE 1.
        package var kind: Int32
        package var signal: Int32
        package var value: UInt64
        package init(pid: Int32, kind: Int32, signal: Int32, value: UInt64) {
            self.pid = pid
            self.kind = kind
            self.signal = signal
            self.value = value
        }
    }
    /// By which files.img names it.
    package var number: UInt32
    package var uid: UInt32
    package var gid: UInt32
    /// Permissions.
    package var mode: UInt32
    /// In the order in which they are received.
    package var messages: [Message] = []
    // In our own `crplan.json`.
    /// Without its slash.
    package var name = ""
    package var isUnlinked = false
    package var mostMessages: Int64 = 0
    package var largestMessage: Int64 = 0
    package var notification: Notification?
    package init(number: UInt32, uid: UInt32, gid: UInt32, mode: UInt32) {
        self.number = number
        self.uid = uid
        self.gid = gid
        self.mode = mode
    }
}

/// A descriptor of a queue. In files.img it is an external file of the name `mqueue[NUMBER]`, which a stock criu asks for.
package struct PosixQueueFileImage: Equatable, Sendable {
    /// Of the queue.
    package var queue: UInt32
    package var flags: UInt32
    package var owner = OwnerImage()
    package init(queue: UInt32, flags: UInt32) {
        self.queue = queue
        self.flags = flags
    }

    private static let (prefix, suffix) = ("mqueue[", "]")

    /// The row of files.img.
    var asExternal: RegularFileImage {
        var file = RegularFileImage(path: "\(Self.prefix)\(queue)\(Self.suffix)")
        (file.isExternal, file.flags, file.owner) = (true, flags, owner)
        return file
    }

    /// Nil for any other file.
    init?(_ file: RegularFileImage) {
        guard file.isExternal == true, file.path.hasPrefix(Self.prefix), file.path.hasSuffix(Self.suffix),
            let queue = UInt32(file.path.dropFirst(Self.prefix.count).dropLast(Self.suffix.count))
        else { return nil }
        self.init(queue: queue, flags: file.flags)
        owner = file.owner
    }
}

extension TreeImage {
    /// Descriptors of one queue.
    func posixQueueFiles(of queue: UInt32) -> [(id: UInt32, image: PosixQueueFileImage)] {
        files.compactMap { file in
            guard case .posixQueue(let image) = file.content, image.queue == queue else { return nil }
            return (file.id, image)
        }
    }
}
