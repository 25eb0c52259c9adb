import CPlatform
import Glibc

/// Makes the objects of System V IPC of a tree, or takes over those that outlived it.
///
/// What was made here goes again with the value, unless the tree is restored: `keep`. The tasks are stubs with our own
/// privileges meanwhile, and make objects themselves where the kernel notes who did.
final class SystemVObjects {
    private let tree: TreeImage
    private let pages: ImagePayload
    private let keeper: RestoreKeeper
    private var survivors: [SystemV.Kind: Set<UInt32>] = [:]
    private var made: [(kind: SystemV.Kind, id: UInt32)] = []
    private var isKept = false
    /// Another process may take the id that was asked for.
    private static let attempts = 8

    init(tree: TreeImage, pages: ImagePayload, keeper: RestoreKeeper) {
        self.keeper = keeper
        self.tree = tree
        self.pages = pages
    }

    /// Call when the tasks are gone that attach what was made.
    func removeMade() {
        if isKept { return }
        for object in made { try? SystemV.remove(object.kind, object.id) }
        made = []
    }

    func keep() { isKept = true }

    // MARK: Segments

    /// All segments with their contents, before any task maps one.
    func makeSegments(_ processes: [StubProcess]) throws(RestoreError) {
        if tree.systemV.isEmpty { return }
        // Pids were free when this was looked at first; now they are our stubs'.
        let survey = SystemVSurvey(tree: tree)
        if let problem = survey.problems.first { throw problem }
        survivors = survey.survivors
        for segment in tree.systemV.segments {
            let object = segment.object
            let maker = process(PID(segment.creator), in: processes)
            if survivors[.segment]?.contains(object.id) != true {
                try make(.segment, object, by: maker) { (flags) throws(RestoreError) -> Result<Int, Errno> in
                    let huge = (segment.hugePages ?? 0) & (HugeTLB.segmentBit | HugeTLB.sizeMask)
                    let answer = try maker.attempt(
                        "shmget", CP_SYS_shmget, Int(Int32(bitPattern: object.key)), Int(segment.size),
                        flags | Int(huge))
                    if huge != 0, case .failure(.noMemory) = answer {
                        throw RestoreError(
                            SystemVSurvey.name(.segment, object), "finds too few free huge pages",
                            remedy: HugeTLB.remedy(segment.sizeInPages))
                    }
                    return answer
                }
            }
            try fill(segment, by: maker)
        }
    }

    /// Through a mapping of a stub, so that its file can be opened; pages that the image does not have become holes.
    private func fill(_ segment: SharedSegmentImage, by maker: StubThread) throws(RestoreError) {
        let subject = SystemVSurvey.name(.segment, segment.object)
        let start = try call(segment.object, by: maker, "shmat", CP_SYS_shmat, Int(segment.object.id), 0, 0)
        let size = Int(segment.sizeInPages)
        let range = "\(String(start, radix: 16))-\(String(start + size, radix: 16))"
        let file = try RestoreError.about(subject, "cannot be opened") { () throws(Errno) in
            try OwnedFD.open("/proc/\(maker.tid)/map_files/\(range)", O_RDWR)
        }
        let number = file.rawValue
        if survivors[.segment]?.contains(segment.object.id) == true {
            let punchHoleKeepSize = 3
            try RestoreError.about(subject, "cannot be emptied") { () throws(Errno) -> Void in
                try systemCall(CP_SYS_fallocate, Int(number), punchHoleKeepSize, 0, size)
            }
        }
        let filling = try SharedMemoryFilling(number, subject: subject)
        if let bytes = segment.bytes {
            try bytes.withUnsafeBufferPointer { (bytes) throws(RestoreError) -> Void in
                try filling.put(UnsafeRawBufferPointer(bytes), at: 0)
            }
        } else if let content = tree.sharedMemory.first(where: { $0.shmid == UInt64(segment.object.id) }) {
            try pages.forEachRun(of: content.pages, named: ImageName.sharedPagemap(content.shmid)) {
                (offset, bytes) throws(RestoreError) -> Void in
                // The last page of the image may reach beyond the segment.
                let count = min(bytes.count, Int(segment.roomInPages) - Int(offset))
                try filling.put(UnsafeRawBufferPointer(rebasing: bytes[..<count]), at: offset)
            }
        }
        try maker.call("shmdt", CP_SYS_shmdt, start)
    }

    /// Maps a segment, or a part of one, where an area of the image is.
    func attach(_ area: AreaImage, by thread: StubThread) throws(RestoreError) {
        guard let segment = tree.systemV.segments.first(where: { UInt64($0.object.id) == area.backing })
        else {
            throw RestoreError(
                "area \(area.name)", "names segment \(area.backing), which is not in the image")
        }
        let (page, size) = (segment.bytesInPage, segment.sizeInPages)
        let length = area.end - area.start
        guard area.offset % page == 0, area.offset <= size, length <= size - area.offset else {
            throw RestoreError("area \(area.name)", "reaches beyond segment \(area.backing)")
        }
        let (readOnly, executable) = (0o10000, 0o100000)
        let mayWrite = area.openMode.map { $0 != 0 } ?? (area.protection & 2 != 0)
        let flags = (mayWrite ? 0 : readOnly) | (area.protection & 4 != 0 ? executable : 0)
        let isWhole = length == size
        let start = try call(
            segment.object, by: thread, "shmat", CP_SYS_shmat, Int(area.backing),
            isWhole ? Int(area.start) : 0, flags)
        if !isWhole {
            // A part is moved to its place, and the rest goes.
            let mayMoveFixed = 3
            try thread.call(
                "mremap", CP_SYS_mremap, start + Int(area.offset), Int(length), Int(length), mayMoveFixed,
                Int(area.start))
            if area.offset > 0 { try thread.call("munmap", CP_SYS_munmap, start, Int(area.offset)) }
            let end = area.offset + length
            if end < size {
                try thread.call("munmap", CP_SYS_munmap, start + Int(end), Int(size - end))
            }
        }
        let given = UInt32(mayWrite ? 3 : 1) | area.protection & 4
        if given != area.protection {
            try thread.call(
                "mprotect", CP_SYS_mprotect, Int(area.start), Int(length), Int(area.protection))
        }
    }

    // MARK: Semaphores and queues

    /// The rest, when all segments are attached.
    func complete(_ processes: [StubProcess]) throws(RestoreError) {
        for segment in tree.systemV.segments {
            try RestoreError.about(SystemVSurvey.name(.segment, segment.object), "cannot be made as it was") {
                () throws(Errno) -> Void in
                if segment.object.mode & SharedSegmentImage.isLockedBit != 0 {
                    try SystemV.lockSegment(segment.object.id)
                }
                if segment.object.mode & SharedSegmentImage.isDoomedBit != 0 {
                    try SystemV.remove(.segment, segment.object.id)
                }
            }
        }
        for set in tree.systemV.semaphores { try setUp(set, processes) }
        for queue in tree.systemV.queues { try setUp(queue, processes) }
    }

    private func setUp(_ set: SemaphoreSetImage, _ processes: [StubProcess]) throws(RestoreError) {
        let root = process(PID(0), in: processes)
        let isOld = survivors[.semaphores]?.contains(set.object.id) == true
        if !isOld {
            try make(.semaphores, set.object, by: root) { (flags) throws(RestoreError) in
                try root.attempt(
                    "semget", CP_SYS_semget, Int(Int32(bitPattern: set.object.key)), set.values.count, flags)
            }
        }
        for (number, value) in set.values.enumerated() where isOld || value != 0 {
            // Takes away all adjustments to it, too.
            try call(
                set.object, by: root, "semctl", CP_SYS_semctl, Int(set.object.id), number, SystemV.setValue,
                Int(value))
        }
        for row in tree.systemV.adjustments where row.set == set.object.id {
            let number = Int(row.semaphore)
            let value = Int(set.values[number])
            try operate(
                set, by: process(row.pid, in: processes),
                SemaphoreOperation.change(number, by: -value)
                    + SemaphoreOperation.adjust(number, by: Int(row.value))
                    + SemaphoreOperation.change(number, by: value))
        }
        for (number, user) in set.lastUsers.enumerated() where user != 0 {
            // The kernel notes whoever changes a value.
            let step = set.values[number] == 0 ? 1 : -1
            try operate(
                set, by: process(PID(user), in: processes),
                SemaphoreOperation.change(number, by: step) + SemaphoreOperation.change(number, by: -step))
        }
    }

    private func operate(
        _ set: SemaphoreSetImage, by thread: StubThread, _ operations: [SemaphoreOperation]
    ) throws(RestoreError) {
        let place = try thread.put(SemaphoreOperation.bytes(operations))
        try call(
            set.object, by: thread, "semop", CP_SYS_semop, Int(set.object.id), place, operations.count)
    }

    private func setUp(_ queue: MessageQueueImage, _ processes: [StubProcess]) throws(RestoreError) {
        let subject = SystemVSurvey.name(.queue, queue.object)
        let id = Int(queue.object.id)
        let root = process(PID(0), in: processes)
        let sender = process(PID(queue.lastSender), in: processes)
        if survivors[.queue]?.contains(queue.object.id) == true {
            try RestoreError.about(subject, "cannot be emptied") { () throws(Errno) -> Void in
                try SystemV.drain(Int32(queue.object.id), largest: 1 << 24)
            }
        } else {
            try make(.queue, queue.object, by: root) { (flags) throws(RestoreError) in
                try root.attempt("msgget", CP_SYS_msgget, Int(Int32(bitPattern: queue.object.key)), flags)
            }
        }
        let now = try RestoreError.about(subject, "cannot be examined") { () throws(Errno) in
            try SystemV.capacity(ofQueue: Int32(queue.object.id))
        }
        func setCapacity() throws(RestoreError) {
            try RestoreError.about(subject, "cannot be made to take \(queue.capacity) bytes") {
                () throws(Errno) in
                try SystemV.setOwner(.queue, queue.object, capacity: queue.capacity)
            }
        }
        if UInt64(queue.capacity) > now { try setCapacity() }
        if processes.contains(where: { $0.pid.rawValue == queue.lastReceiver }) {
            // The kernel notes who receives: a message of nothing.
            let receiver = process(PID(queue.lastReceiver), in: processes)
            try send(.init(type: 1, bytes: []), to: queue.object, by: receiver)
            let place = Int(receiver.scratch.rawValue)
            try call(
                queue.object, by: receiver, "msgrcv", CP_SYS_msgrcv, id, place, 0, 0, SystemV.noWait)
        }
        for message in queue.messages { try send(message, to: queue.object, by: sender) }
        if UInt64(queue.capacity) < now { try setCapacity() }
    }

    private func send(
        _ message: MessageQueueImage.Message, to queue: SystemVObjectImage, by thread: StubThread
    ) throws(RestoreError) {
        guard message.bytes.count + 8 <= StubLayout.scratchSize else {
            throw RestoreError(
                "message queue \(queue.id)",
                "has a message of \(message.bytes.count) bytes, too large to be put back")
        }
        let place = try thread.put(withUnsafeBytes(of: message.type) { Array($0) } + message.bytes)
        try call(
            queue, by: thread, "msgsnd", CP_SYS_msgsnd, Int(queue.id), place, message.bytes.count,
            SystemV.noWait)
    }

    // MARK: Making

    private func process(_ pid: PID, in processes: [StubProcess]) -> StubThread {
        (processes.first { $0.pid == pid && !$0.isZombie } ?? processes[0]).leader
    }

    /// Makes an object under its old id, as its maker.
    private func make(
        _ kind: SystemV.Kind, _ object: SystemVObjectImage, by thread: StubThread,
        _ get: (Int) throws(RestoreError) -> Result<Int, Errno>
    ) throws(RestoreError) {
        let subject = SystemVSurvey.name(kind, object)
        let flags = Int(object.mode & 0o777) | SystemV.create | SystemV.exclusive
        for _ in 0..<Self.attempts {
            try RestoreError.about(subject, "its id cannot be asked for") { () throws(Errno) in
                try SystemV.requestID(Int32(object.id), kind)
            }
            let answer = try asMaker(object, thread) { () throws(RestoreError) in try get(flags) }
            switch answer {
            case .success(let id) where id == Int(object.id):
                made.append((kind, object.id))
                if !tree.ownNamespaceKinds.contains(.ipc) { try keeper.note(.object(kind, object.id)) }
                try RestoreError.about(subject, "cannot be given to \(object.uid):\(object.gid)") {
                    () throws(Errno) in try SystemV.setOwner(kind, object)
                }
                return
            case .success(let other):
                try? SystemV.remove(kind, UInt32(other))
            case .failure(let errno):
                try? SystemV.requestID(-1, kind)
                throw RestoreError(
                    subject, "cannot be made", errno: errno,
                    remedy: errno.rawValue == ENOSPC
                        ? "raise kernel.\(kind == .segment ? "shmmni or shmall" : kind == .queue ? "msgmni" : "sem")"
                        : nil)
            }
        }
        throw RestoreError(
            subject, "cannot have its old id, whose place in the table of the kernel is taken",
            remedy:
                "see ipcs(1) for \(kind.name)s whose id is \(object.id % 32768) modulo 32768, and remove it")
    }

    /// Makes a call on an object. In a user namespace of the tree's own, but in an ipc namespace that is not, a stub has no
    /// privilege to pass over modes, and does it as the owner.
    @discardableResult
    private func call(
        _ object: SystemVObjectImage, by thread: StubThread, _ name: String, _ number: Int, _ a: Int,
        _ b: Int,
        _ c: Int, _ d: Int = 0, _ e: Int = 0
    ) throws(RestoreError) -> Int {
        if tree.namespaces.user == nil || tree.ownNamespaceKinds.contains(.ipc) {
            return try thread.call(name, number, a, b, c, d, e)
        }
        return try asUser(object.uid, object.gid, of: object, thread) { () throws(RestoreError) in
            try thread.call(name, number, a, b, c, d, e)
        }
    }

    /// The kernel takes the maker from the effective ids.
    private func asMaker<Value>(
        _ object: SystemVObjectImage, _ thread: StubThread, _ body: () throws(RestoreError) -> Value
    ) throws(RestoreError) -> Value {
        try asUser(object.cuid, object.cgid, of: object, thread, body)
    }

    /// `user` and `group` as we see them.
    private func asUser<Value>(
        _ user: UInt32, _ group: UInt32, of object: SystemVObjectImage, _ thread: StubThread,
        _ body: () throws(RestoreError) -> Value
    ) throws(RestoreError) -> Value {
        let maps = tree.namespaces.user
        // From here the task speaks, with the ids of its own user namespace.
        guard let uid = maps.map({ $0.users.inside(user) }) ?? user,
            let gid = maps.map({ $0.groups.inside(group) }) ?? group
        else {
            throw RestoreError(
                "object \(object.id) of System V IPC",
                "belongs to \(user):\(group), whom the user namespace of the tree does not have")
        }
        let (ownUID, ownGID) = (maps?.users.first ?? 0, maps?.groups.first ?? 0)
        if uid == ownUID && gid == ownGID { return try body() }
        let same = -1
        try thread.call("setresgid", CP_SYS_setresgid, same, Int(gid), same)
        try thread.call("setresuid", CP_SYS_setresuid, same, Int(uid), same)
        let value = try body()
        try thread.call("setresuid", CP_SYS_setresuid, same, Int(ownUID), same)
        try thread.call("setresgid", CP_SYS_setresgid, same, Int(ownGID), same)
        return value
    }
}
