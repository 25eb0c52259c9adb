import CPlatform
import Glibc

/// Makes the POSIX message queues of a tree again, in its own new ipc namespace, with which they go should the restore fail.
struct PosixQueues {
    let tree: TreeImage

    private var acting: ActingIDs? { tree.namespaces.user.flatMap { ActingIDs($0.users, $0.groups) } }

    /// Makes all queues with their messages and opens their descriptors, before anything else is looked for. Call it inside
    /// the namespace.
    func make(_ files: OpenFiles) throws(RestoreError) {
        if tree.posixQueues.isEmpty { return }
        guard let acting else { return try makeAll(files) }
        // Those of another user namespace are made by one whom it knows.
        try acting.run { () throws(RestoreError) in try makeAll(files) }
    }

    private func makeAll(_ files: OpenFiles) throws(RestoreError) {
        // The names of those that have lost theirs may be in use again.
        for queue in tree.posixQueues where queue.isUnlinked { try make(queue, files) }
        for queue in tree.posixQueues where !queue.isUnlinked { try make(queue, files) }
    }

    private func make(_ queue: PosixQueueImage, _ files: OpenFiles) throws(RestoreError) {
        let subject = "message queue /\(queue.name)"
        // The messages of a queue count against its maker's limit (RLIMIT_MSGQUEUE).
        let made = try RestoreError.about(
            subject,
            "cannot be made with room for \(queue.mostMessages) messages of \(queue.largestMessage) bytes"
        ) {
            () throws(Errno) -> OwnedFD in
            try Self.accounted(to: queue.uid) { () throws(Errno) -> OwnedFD in try Self.make(queue) }
        }
        let number = Int(made.rawValue)
        try RestoreError.about(subject, "cannot be given to \(queue.uid):\(queue.gid)") {
            () throws(Errno) -> Void in
            try systemCall(CP_SYS_fchown, number, Int(queue.uid), Int(queue.gid))
            try systemCall(CP_SYS_fchmod, number, Int(queue.mode))
        }
        for (place, message) in queue.messages.enumerated() {
            try RestoreError.about(subject, "message \(place + 1) cannot be put back") {
                () throws(Errno) -> Void in
                try message.bytes.withUnsafeBufferPointer { (bytes) throws(Errno) -> Void in
                    try systemCall(
                        CP_SYS_mq_timedsend, number, Int(bitPattern: bytes.baseAddress), bytes.count,
                        Int(message.priority), 0)
                }
            }
        }
        for (id, file) in tree.posixQueueFiles(of: queue.number) {
            let flags = OpenFiles.openFlags(file.flags)
            let opened = try RestoreError.about(subject, "cannot be opened") { () throws(Errno) in
                try Self.open(queue.name, flags | O_CLOEXEC)
            }
            files.adopt(id, OwnedFD(taking: Int32(opened)))
        }
        if queue.isUnlinked {
            try RestoreError.about(subject, "its name cannot be taken away") { () throws(Errno) -> Void in
                try Self.withName(queue.name) { (name) throws(Errno) -> Int in
                    try systemCall(CP_SYS_mq_unlink, name)
                }
            }
        }
    }

    /// Tells the kernel again whom to notify. A close of any descriptor of the queue by that process would take it back, so
    /// nothing may be closed after this.
    func notify(_ live: [StubProcess]) throws(RestoreError) {
        for queue in tree.posixQueues {
            guard let waiting = queue.notification,
                let process = live.first(where: { $0.pid.rawValue == waiting.pid })
            else { continue }
            let files = Set(tree.posixQueueFiles(of: queue.number).map(\.id))
            guard let descriptor = process.image.descriptors.first(where: { files.contains($0.file) }) else {
                throw RestoreError(
                    "message queue /\(queue.name)", "notifies a task that has no descriptor of it")
            }
            // struct sigevent of sigevent(3type)
            var event = [UInt8](repeating: 0, count: 64)
            event.withUnsafeMutableBytes { bytes in
                bytes.storeBytes(of: waiting.value, as: UInt64.self)
                bytes.storeBytes(of: waiting.signal, toByteOffset: 8, as: Int32.self)
                bytes.storeBytes(of: waiting.kind, toByteOffset: 12, as: Int32.self)
            }
            let thread = process.leader
            try thread.call(
                "mq_notify", CP_SYS_mq_notify, Int(descriptor.fd), try thread.put(event))
        }
    }

    // MARK: Calls

    private static func make(_ queue: PosixQueueImage) throws(Errno) -> OwnedFD {
        let attributes: [Int64] = [0, queue.mostMessages, queue.largestMessage, 0, 0, 0, 0, 0]
        return OwnedFD(
            taking: Int32(
                try attributes.withUnsafeBufferPointer { (attributes) throws(Errno) -> Int in
                    try open(
                        queue.name, O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK | O_CLOEXEC,
                        Int(bitPattern: attributes.baseAddress))
                }))
    }

    private static func open(_ name: String, _ flags: Int32, _ attributes: Int = 0) throws(Errno) -> Int {
        try withName(name) { (name) throws(Errno) -> Int in
            try systemCall(CP_SYS_mq_open, name, Int(flags), 0o600, attributes)
        }
    }

    @discardableResult
    private static func withName(_ name: String, _ body: (Int) throws(Errno) -> Int) throws(Errno) -> Int {
        let bytes = Array(name.utf8) + [0]
        return try bytes.withUnsafeBufferPointer { (bytes) throws(Errno) -> Int in
            try body(Int(bitPattern: bytes.baseAddress))
        }
    }

    /// Does something as the real user `uid`, with our own rights, and with no limit of our own on bytes in queues: the tree had
    /// its queues already.
    private static func accounted(
        to uid: UInt32, _ body: () throws(Errno) -> OwnedFD
    ) throws(Errno) -> OwnedFD {
        let limit = Self.exchangeLimit(nil)
        let none = UInt64.max
        // Without the privilege to raise it the limit stays as it is.
        if let limit { _ = Self.exchangeLimit((none, none)) ?? Self.exchangeLimit((limit.hard, limit.hard)) }
        defer { if let limit { _ = Self.exchangeLimit(limit) } }
        let (own, same) = (Int(getuid()), -1)
        if Int(uid) == own { return try body() }
        try systemCall(CP_SYS_setresuid, Int(uid), same, same)
        defer {
            // Nothing may be done as somebody else after this.
            if cp_syscall(CP_SYS_setresuid, own, same, same, 0, 0, 0) != 0 { abort() }
        }
        return try body()
    }

    /// RLIMIT_MSGQUEUE of this process as it was, set to `new` if that is given; nil where it cannot be.
    private static func exchangeLimit(_ new: (soft: UInt64, hard: UInt64)?) -> (soft: UInt64, hard: UInt64)? {
        let resource = 12
        var wanted = [new?.soft ?? 0, new?.hard ?? 0]
        var old: [UInt64] = [0, 0]
        let result = wanted.withUnsafeMutableBytes { wanted in
            old.withUnsafeMutableBytes { old in
                cp_syscall(
                    CP_SYS_prlimit64, 0, resource, new == nil ? 0 : Int(bitPattern: wanted.baseAddress),
                    Int(bitPattern: old.baseAddress), 0, 0)
            }
        }
        return result == 0 ? (old[0], old[1]) : nil
    }
}
