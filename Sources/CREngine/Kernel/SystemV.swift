import CPlatform
import Glibc

/// System V IPC in the namespace of the calling process. See sysvipc(7).
package enum SystemV {
    /// The kinds of objects, by the names that the kernel has for them.
    package enum Kind: String, Sendable {
        case segment = "shm"
        case semaphores = "sem"
        case queue = "msg"

        /// As a message names an object of the kind.
        package var name: String {
            switch self {
            case .segment: "shared memory segment"
            case .semaphores: "semaphore set"
            case .queue: "message queue"
            }
        }
        /// The option of ipcrm(1) for an id.
        package var removal: String {
            switch self {
            case .segment: "ipcrm -m"
            case .semaphores: "ipcrm -s"
            case .queue: "ipcrm -q"
            }
        }
    }

    private static let remove = 0
    private static let set = 1
    private static let status = 2
    private static let getPID = 11
    private static let getAll = 13
    static let setValue = 16
    static let lock = 11
    static let noWait = 0o4000
    static let create = 0o1000
    static let exclusive = 0o2000

    /// All segments, semaphore sets or queues.
    package static func table(_ kind: Kind) throws(Errno) -> [UInt8] {
        try OwnedFD.open("/proc/sysvipc/\(kind.rawValue)", O_RDONLY).readToEnd()
    }

    /// Who changed one semaphore last; 0 for nobody.
    package static func lastUser(of set: Int32, semaphore: Int) throws(Errno) -> PID {
        PID(Int32(try systemCall(CP_SYS_semctl, Int(set), semaphore, getPID, 0)))
    }

    package static func values(of set: Int32, count: Int) throws(Errno) -> [UInt16] {
        var values = [UInt16](repeating: 0, count: count)
        try values.withUnsafeMutableBufferPointer { (buffer) throws(Errno) -> Void in
            try systemCall(CP_SYS_semctl, Int(set), 0, getAll, Int(bitPattern: buffer.baseAddress))
        }
        return values
    }

    /// Most bytes that the queue takes.
    package static func capacity(ofQueue id: Int32) throws(Errno) -> UInt64 {
        UInt64(try queue(id).msg_qbytes)
    }

    private static func queue(_ id: Int32) throws(Errno) -> msqid_ds {
        var facts = msqid_ds()
        try withUnsafeMutablePointer(to: &facts) { (pointer) throws(Errno) -> Void in
            try systemCall(CP_SYS_msgctl, Int(id), status, Int(bitPattern: pointer))
        }
        return facts
    }

    /// A message of a queue by its place, without taking it out (MSG_COPY); nil after the last.
    package static func peek(
        _ id: Int32, place: Int, largest: Int
    ) throws(Errno) -> MessageQueueImage.Message? {
        let copy = 0o40000
        let words = [UInt8](repeating: 0, count: 8 + largest)
        var buffer = words
        do throws(Errno) {
            let count = try buffer.withUnsafeMutableBufferPointer { (buffer) throws(Errno) -> Int in
                try systemCall(
                    CP_SYS_msgrcv, Int(id), Int(bitPattern: buffer.baseAddress), largest, place, copy | noWait
                )
            }
            let type = buffer.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }
            return MessageQueueImage.Message(type: type, bytes: Array(buffer[8..<8 + count]))
        } catch {
            if error.rawValue == ENOMSG { return nil }
            throw error
        }
    }

    /// Takes all messages out of a queue.
    package static func drain(_ id: Int32, largest: Int) throws(Errno) {
        var buffer = [UInt8](repeating: 0, count: 8 + largest)
        while true {
            do throws(Errno) {
                try buffer.withUnsafeMutableBufferPointer { (buffer) throws(Errno) -> Void in
                    try systemCall(
                        CP_SYS_msgrcv, Int(id), Int(bitPattern: buffer.baseAddress), largest, 0, noWait)
                }
            } catch {
                if error.rawValue == ENOMSG { return }
                throw error
            }
        }
    }

    /// Asks the kernel for this id for the next object of the kind. See Documentation/admin-guide/sysctl/kernel.rst.
    package static func requestID(_ id: Int32, _ kind: Kind) throws(Errno) {
        try OwnedFD.open("/proc/sys/kernel/\(kind.rawValue)_next_id", O_WRONLY).writeAll(Array("\(id)".utf8))
    }

    /// Sets owner, permissions and, of a queue, the capacity (IPC_SET).
    package static func setOwner(
        _ kind: Kind, _ object: SystemVObjectImage, capacity: UInt32? = nil
    ) throws(Errno) {
        var permissions = ipc_perm()
        permissions.uid = object.uid
        permissions.gid = object.gid
        permissions.mode = object.mode & 0o777
        let id = Int(object.id)
        switch kind {
        case .segment:
            var facts = shmid_ds()
            facts.shm_perm = permissions
            try withUnsafeMutablePointer(to: &facts) { (pointer) throws(Errno) -> Void in
                try systemCall(CP_SYS_shmctl, id, set, Int(bitPattern: pointer))
            }
        case .semaphores:
            var facts = semid_ds()
            facts.sem_perm = permissions
            try withUnsafeMutablePointer(to: &facts) { (pointer) throws(Errno) -> Void in
                try systemCall(CP_SYS_semctl, id, 0, set, Int(bitPattern: pointer))
            }
        case .queue:
            var facts = try queue(Int32(object.id))
            facts.msg_perm = permissions
            if let capacity { facts.msg_qbytes = msglen_t(capacity) }
            try withUnsafeMutablePointer(to: &facts) { (pointer) throws(Errno) -> Void in
                try systemCall(CP_SYS_msgctl, id, set, Int(bitPattern: pointer))
            }
        }
    }

    /// Keeps a segment in memory (SHM_LOCK).
    package static func lockSegment(_ id: UInt32) throws(Errno) {
        try systemCall(CP_SYS_shmctl, Int(id), lock, 0)
    }

    /// Removes an object; a segment that is attached goes with its last attachment.
    package static func remove(_ kind: Kind, _ id: UInt32) throws(Errno) {
        switch kind {
        case .segment: try systemCall(CP_SYS_shmctl, Int(id), remove, 0)
        case .semaphores: try systemCall(CP_SYS_semctl, Int(id), 0, remove, 0)
        case .queue: try systemCall(CP_SYS_msgctl, Int(id), remove, 0)
        }
    }
}

/// A segment attached to our own memory, for reading; it is detached with the value.
package struct SegmentAttachment: ~Copyable {
    private let start: Int
    private let end: UInt64

    package init(_ id: Int32) throws(Errno) {
        let readOnly = 0o10000
        let place = try systemCall(CP_SYS_shmat, Int(id), 0, readOnly)
        let last: UInt64
        do throws(Errno) {
            last = try Self.end(of: UInt64(place))
        } catch {
            _ = cp_syscall(CP_SYS_shmdt, place, 0, 0, 0, 0, 0)
            throw error
        }
        start = place
        end = last
    }

    /// Where our mapping ends that begins here; its pages may be huge ones.
    private static func end(of start: UInt64) throws(Errno) -> UInt64 {
        let bytes = try OwnedFD.open("/proc/self/maps", O_RDONLY).readToEnd()
        guard let rows = try? AreaList.parse(bytes), let row = rows.first(where: { $0.start == start }) else {
            throw .fault
        }
        return row.end
    }

    deinit { _ = cp_syscall(CP_SYS_shmdt, start, 0, 0, 0, 0, 0) }

    /// The kernel's own link to the file behind it.
    package var path: String {
        "/proc/self/map_files/\(String(start, radix: 16))-\(String(end, radix: 16))"
    }
}
