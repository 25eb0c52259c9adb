/// Objects of System V IPC that only the tree uses. See sysvipc(7).
///
/// CRIU keeps them in images of an ipc namespace; a tree in the host's namespace has these under the number of that one.
package struct SystemVImage: Equatable, Sendable {
    package var segments: [SharedSegmentImage] = []
    package var semaphores: [SemaphoreSetImage] = []
    package var queues: [MessageQueueImage] = []
    /// In our own `crplan.json`.
    package var adjustments: [SemaphoreAdjustmentImage] = []
    package init() {}

    package var isEmpty: Bool { segments.isEmpty && semaphores.isEmpty && queues.isEmpty }
}

/// What objects of all three kinds have.
package struct SystemVObjectImage: Equatable, Sendable {
    /// IPC_PRIVATE is 0.
    package var key: UInt32
    package var id: UInt32
    package var uid: UInt32
    package var gid: UInt32
    /// Of who made it.
    package var cuid: UInt32
    package var cgid: UInt32
    /// Permissions, and what `SharedSegmentImage` adds.
    package var mode: UInt32
    package init(
        key: UInt32, id: UInt32, uid: UInt32, gid: UInt32, cuid: UInt32, cgid: UInt32, mode: UInt32
    ) {
        self.key = key
        self.id = id
        self.uid = uid
        self.gid = gid
        self.cuid = cuid
        self.cgid = cgid
        self.mode = mode
    }
}

/// A row of `ipcns-shm-NS.img`; its pages are in `pagemap-shmem-ID.img`.
package struct SharedSegmentImage: Equatable, Sendable {
    /// SHM_DEST of shmctl(2): it goes with its last attachment.
    package static let isDoomedBit: UInt32 = 0o1000
    /// SHM_LOCKED of shmctl(2).
    package static let isLockedBit: UInt32 = 0o2000

    package var object: SystemVObjectImage
    /// Bytes.
    package var size: UInt64
    /// In huge pages: SHM_HUGETLB with the size as shmget(2) takes it.
    package var hugePages: UInt32?
    /// Contents that follow the row, as CRIU wrote them once; pages are elsewhere when this is nil.
    package var bytes: [UInt8]?
    // In our own `crplan.json`.
    /// Who made it; 0 for not known.
    package var creator: Int32 = 0
    package init(object: SystemVObjectImage, size: UInt64) {
        self.object = object
        self.size = size
    }

    /// Bytes of a page of it.
    package var bytesInPage: UInt64 { hugePages.flatMap { HugeTLB.pageSize(bits: $0) } ?? UInt64(pageSize) }
    /// Bytes that a mapping of all of it has.
    package var sizeInPages: UInt64 { (size + bytesInPage - 1) / bytesInPage * bytesInPage }
    /// Bytes that may have contents: of huge pages all, of which a program may use more than it asked for.
    package var roomInPages: UInt64 { hugePages == nil ? size : sizeInPages }
}

/// A row of `ipcns-sem-NS.img`.
package struct SemaphoreSetImage: Equatable, Sendable {
    package var object: SystemVObjectImage
    package var values: [UInt16]
    /// Who changed each last, in our own `crplan.json`; 0 for nobody and not known.
    package var lastUsers: [Int32] = []
    package init(object: SystemVObjectImage, values: [UInt16]) {
        self.object = object
        self.values = values
    }
}

/// What the end of a process adds to a semaphore (SEM_UNDO of semop(2)).
package struct SemaphoreAdjustmentImage: Codable, Equatable, Sendable {
    package var pid: PID
    /// Id of the set.
    package var set: UInt32
    /// Place in the set.
    package var semaphore: UInt32
    package var value: Int32
    package init(pid: PID, set: UInt32, semaphore: UInt32, value: Int32) {
        self.pid = pid
        self.set = set
        self.semaphore = semaphore
        self.value = value
    }
}

/// A row of `ipcns-msg-NS.img` with its messages, the oldest first.
package struct MessageQueueImage: Equatable, Sendable {
    package struct Message: Equatable, Sendable {
        package var type: UInt64
        package var bytes: [UInt8]
        package init(type: UInt64, bytes: [UInt8]) {
            self.type = type
            self.bytes = bytes
        }
    }
    package var object: SystemVObjectImage
    /// Most bytes of all messages together.
    package var capacity: UInt32
    package var messages: [Message] = []
    // In our own `crplan.json`; 0 for nobody and not known.
    package var lastSender: Int32 = 0
    package var lastReceiver: Int32 = 0
    package init(object: SystemVObjectImage, capacity: UInt32) {
        self.object = object
        self.capacity = capacity
    }
}
