/// What rows of all three tables of System V IPC have. See proc_sysvipc(5).
package struct SystemVObjectRow: Equatable, Sendable {
    /// IPC_PRIVATE is 0.
    package var key: Int32
    package var id: Int32
    package var mode: UInt32
    package var uid: UInt32
    package var gid: UInt32
    package var cuid: UInt32
    package var cgid: UInt32
}

/// A row of /proc/sysvipc/shm.
package struct SharedSegmentRow: Equatable, Sendable {
    package var object: SystemVObjectRow
    /// Bytes.
    package var size: UInt64
    /// Of the process that made it, and of the one that attached or detached it last.
    package var creator: PID
    package var lastUser: PID
    /// Mappings of it in all address spaces.
    package var attachments: UInt64
}

/// A row of /proc/sysvipc/sem.
package struct SemaphoreSetRow: Equatable, Sendable {
    package var object: SystemVObjectRow
    package var count: Int
}

/// A row of /proc/sysvipc/msg.
package struct MessageQueueRow: Equatable, Sendable {
    package var object: SystemVObjectRow
    /// Bytes of all messages together.
    package var bytes: UInt64
    package var messages: Int
    /// 0 for nobody.
    package var lastSender: PID
    package var lastReceiver: PID
}

/// The tables of one ipc namespace.
package enum SystemVTables {
    package static func segments(_ bytes: [UInt8]) throws(ProcFormatError) -> [SharedSegmentRow] {
        try rows(bytes, "sysvipc/shm") { words in
            guard words.count >= 11, let size = words[3].decimal, let creator = words[4].signedDecimal,
                let lastUser = words[5].signedDecimal, let attachments = words[6].decimal,
                let object = object(words, owner: 7)
            else { return nil }
            return SharedSegmentRow(
                object: object, size: size, creator: PID(Int32(truncatingIfNeeded: creator)),
                lastUser: PID(Int32(truncatingIfNeeded: lastUser)), attachments: attachments)
        }
    }

    package static func semaphores(_ bytes: [UInt8]) throws(ProcFormatError) -> [SemaphoreSetRow] {
        try rows(bytes, "sysvipc/sem") { words in
            guard words.count >= 8, let count = words[3].decimal, count < 1 << 20,
                let object = object(words, owner: 4)
            else { return nil }
            return SemaphoreSetRow(object: object, count: Int(count))
        }
    }

    package static func queues(_ bytes: [UInt8]) throws(ProcFormatError) -> [MessageQueueRow] {
        try rows(bytes, "sysvipc/msg") { words in
            guard words.count >= 11, let size = words[3].decimal, let messages = words[4].decimal,
                messages < 1 << 31, let sender = words[5].signedDecimal,
                let receiver = words[6].signedDecimal, let object = object(words, owner: 7)
            else { return nil }
            return MessageQueueRow(
                object: object, bytes: size, messages: Int(messages),
                lastSender: PID(Int32(truncatingIfNeeded: sender)),
                lastReceiver: PID(Int32(truncatingIfNeeded: receiver)))
        }
    }

    /// The rows below the line of titles.
    private static func rows<Row>(
        _ bytes: [UInt8], _ file: String, _ parse: ([Field]) -> Row?
    ) throws(ProcFormatError) -> [Row] {
        var rows: [Row] = []
        for line in bytes.lines.dropFirst() {
            guard let row = parse(line.words) else { throw ProcFormatError(file: file, detail: line.text) }
            rows.append(row)
        }
        return rows
    }

    /// Key, id and permissions come first, the four owners at `owner`.
    private static func object(_ words: [Field], owner: Int) -> SystemVObjectRow? {
        let owners = words[owner..<owner + 4].compactMap { $0.decimal.map { UInt32(truncatingIfNeeded: $0) } }
        guard owners.count == 4, let key = words[0].signedDecimal, let id = words[1].decimal,
            let mode = words[2].octal, id <= UInt64(Int32.max)
        else { return nil }
        return SystemVObjectRow(
            key: Int32(truncatingIfNeeded: key), id: Int32(id), mode: UInt32(truncatingIfNeeded: mode),
            uid: owners[0], gid: owners[1], cuid: owners[2], cgid: owners[3])
    }
}
