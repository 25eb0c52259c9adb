import Glibc

/// What of a tree's System V IPC is on this host already, and what stands in its way.
///
/// An object that outlived its tree is taken over where id, key, size and maker are the same and no living process uses
/// it. Everything else under its id or key is somebody else's.
struct SystemVSurvey {
    /// Ids that are there and are the tree's own.
    private(set) var survivors: [SystemV.Kind: Set<UInt32>] = [:]
    private(set) var problems: [RestoreError] = []
    private let tree: TreeImage
    private let tasks: Set<Int32>

    init(tree: TreeImage) {
        self.tree = tree
        tasks = Set(tree.tasks.map(\.pid.rawValue))
        if tree.systemV.isEmpty { return }
        do throws(RestoreError) {
            try lookAtSegments()
            try lookAtSemaphores()
            try lookAtQueues()
        } catch {
            problems.append(error)
        }
    }

    private mutating func lookAtSegments() throws(RestoreError) {
        let rows = try Self.table(.segment, SystemVTables.segments)
        for segment in tree.systemV.segments {
            if let bits = segment.hugePages,
                let problem = HugeTLB.problem(bits, Self.name(.segment, segment.object))
            {
                problems.append(problem)
            }
            guard let row = find(.segment, segment.object, rows.map(\.object)).map({ rows[$0] }) else {
                continue
            }
            if row.attachments > 0 {
                refuse(.segment, segment.object, "is attached by a process that lives")
            } else if row.size != segment.size || row.creator.rawValue != segment.creator {
                refuse(.segment, segment.object, "is taken by another segment")
            } else {
                survivors[.segment, default: []].insert(segment.object.id)
            }
        }
    }

    private mutating func lookAtSemaphores() throws(RestoreError) {
        let rows = try Self.table(.semaphores, SystemVTables.semaphores)
        for set in tree.systemV.semaphores {
            guard let row = find(.semaphores, set.object, rows.map(\.object)).map({ rows[$0] }) else {
                continue
            }
            guard row.count == set.values.count else {
                refuse(.semaphores, set.object, "is taken by a set of \(row.count)")
                continue
            }
            let users = try (0..<row.count).map { (number) throws(RestoreError) -> Int32 in
                try RestoreError.about(Self.name(.semaphores, set.object), "cannot be read") {
                    () throws(Errno) in
                    try SystemV.lastUser(of: row.object.id, semaphore: number).rawValue
                }
            }
            takeOver(.semaphores, set.object, users: users)
        }
    }

    private mutating func lookAtQueues() throws(RestoreError) {
        let rows = try Self.table(.queue, SystemVTables.queues)
        for queue in tree.systemV.queues {
            guard let row = find(.queue, queue.object, rows.map(\.object)).map({ rows[$0] }) else { continue }
            takeOver(
                .queue, queue.object, users: [row.lastSender.rawValue, row.lastReceiver.rawValue])
        }
    }

    /// Pids of the tree are free now, or the restore is refused for those.
    private mutating func takeOver(
        _ kind: SystemV.Kind, _ object: SystemVObjectImage, users: [Int32]
    ) {
        let stranger = users.first {
            $0 != 0 && !tasks.contains($0) && access("/proc/\($0)", F_OK) == 0
        }
        if let stranger {
            refuse(kind, object, "was used last by process \(stranger), which lives")
        } else {
            survivors[kind, default: []].insert(object.id)
        }
    }

    /// The row of the object's id, where it has its key and maker; what else is in the way is a problem.
    private mutating func find(
        _ kind: SystemV.Kind, _ object: SystemVObjectImage, _ rows: [SystemVObjectRow]
    ) -> Int? {
        if let place = rows.firstIndex(where: { UInt32($0.id) == object.id }) {
            let row = rows[place]
            if UInt32(bitPattern: row.key) == object.key, row.cuid == object.cuid, row.cgid == object.cgid {
                return place
            }
            refuse(kind, object, "is taken by another one")
            return nil
        }
        let key = object.key
        if key != 0, let other = rows.first(where: { UInt32(bitPattern: $0.key) == key }) {
            problems.append(
                RestoreError(
                    "key 0x\(String(key, radix: 16)) of \(kind.name) \(object.id)",
                    "is taken by \(kind.name) \(other.id)",
                    remedy: "end who uses that one, then \(kind.removal) \(other.id)"))
        }
        return nil
    }

    private mutating func refuse(_ kind: SystemV.Kind, _ object: SystemVObjectImage, _ fact: String) {
        problems.append(
            RestoreError(
                Self.name(kind, object), fact,
                remedy: "end who uses it, then \(kind.removal) \(object.id)"))
    }

    static func name(_ kind: SystemV.Kind, _ object: SystemVObjectImage) -> String {
        object.key == 0
            ? "\(kind.name) \(object.id)"
            : "\(kind.name) \(object.id) (key 0x\(String(object.key, radix: 16)))"
    }

    private static func table<Row>(
        _ kind: SystemV.Kind, _ parse: ([UInt8]) throws(ProcFormatError) -> [Row]
    ) throws(RestoreError) -> [Row] {
        let bytes = try RestoreError.about("/proc/sysvipc/\(kind.rawValue)", "cannot be read") {
            () throws(Errno) in try SystemV.table(kind)
        }
        do throws(ProcFormatError) {
            return try parse(bytes)
        } catch {
            throw RestoreError("/proc/sysvipc/\(kind.rawValue)", "\(error)")
        }
    }
}
