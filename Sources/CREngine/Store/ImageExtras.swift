import FoundationEssentials

/// `crplan.json` in an image directory: state that CRIU's images have no field for.
///
/// CRIU does not look at the file; a set without it restores with the affinity that the restoring process has.
struct ImageExtras: Codable, Equatable {
    struct Thread: Codable, Equatable {
        var tid: Int32
        /// CPUs as 64-bit words, as sched_getaffinity(2) gives them.
        var affinity: [UInt64]
        /// Bytes of a name that is no UTF-8.
        var comm: [UInt8]?
        /// Nanoseconds.
        var timerSlack: UInt64?
        var memoryPolicy: MemoryPolicyImage?
        /// class<<13|level
        var ioPriority: UInt32?
        /// Nanoseconds.
        var slice: UInt64?
        var deadline: DeadlineImage?
        /// PR_MCE_KILL of prctl(2).
        var isKilledEarly: Bool?
    }
    struct Process: Codable, Equatable {
        var pid: Int32
        var coredumpFilter: UInt32?
        /// PR_SET_MDWE of prctl(2).
        var deniesWriteExecute: UInt32?
        /// PR_SET_MEMORY_MERGE of prctl(2).
        var mergesMemory: Bool?
        /// MCL_* of mlockall(2).
        var futureLocks: UInt32?
        /// Start addresses of areas locked with MLOCK_ONFAULT.
        var lockedOnFault: [UInt64]?
        /// Start addresses of areas sealed with mseal(2).
        var sealed: [UInt64]?
        var memoryPolicies: [AreaPolicy]?
        /// What tells the parent of its end; 0 for nothing.
        var exitSignal: Int32?
    }
    /// What mbind(2) said of an area.
    struct AreaPolicy: Codable, Equatable {
        var start: UInt64
        var policy: MemoryPolicyImage
    }
    struct Socket: Codable, Equatable {
        /// Id of the file.
        var file: UInt32
        var extras: SocketExtras
    }
    /// An open file that leads out of the tree.
    struct Stream: Codable, Equatable {
        /// Its id in files.img.
        var file: UInt32
        /// `standard-stream`, `given`, `null`, `file`, `device`.
        var ending: String
        /// 0, 1 or 2 for a standard stream.
        var number: Int32?
        var path: String?
        /// Of a device, in the policy.
        var name: String?
        var major: UInt32?
        var minor: UInt32?
    }
    /// What `userns-NS.img` has no field for.
    struct UserNamespace: Codable, Equatable {
        var deniesGroups: Bool
        /// By their numbers outside.
        var keptGroups: [UInt32]?
    }
    /// Raised when a reader of an older version would misunderstand the file.
    var version = 1
    var threads: [Thread] = []
    var processes: [Process]?
    var sockets: [Socket]?
    var files: FileExtras?
    var unixSockets: UnixSocketExtras?
    var systemV: SystemVExtras?
    var posixQueues: [PosixQueueExtras]?
    var streams: [Stream]?
    /// Terminals of tty-info.img, by id, all slaves of which were closed.
    var closedTerminals: [UInt32]?
    /// The root's session, whose leader has ended.
    var deadSession: Int32?
    var userNamespace: UserNamespace?

    private static let currentVersion = 1
    /// 16384 CPUs, twice what the kernel can be built for.
    private static let mostWords = 256
    private static let longestFile = 64 << 20
    /// NGROUPS_MAX of include/uapi/linux/limits.h.
    private static let mostGroups = 65536

    init(_ tree: TreeImage) {
        var processes: [Process] = []
        for task in tree.tasks {
            for thread in task.threads {
                let row = Thread(
                    tid: thread.tid.rawValue, affinity: thread.affinity, comm: thread.commBytes,
                    timerSlack: thread.timerSlack, memoryPolicy: thread.memoryPolicy,
                    ioPriority: thread.ioPriority, slice: thread.slice,
                    deadline: thread.deadline, isKilledEarly: thread.isKilledEarly)
                if row != Thread(tid: thread.tid.rawValue, affinity: []) { threads.append(row) }
            }
            let sealed = (task.memory?.areas ?? []).filter(\.isSealed).map(\.start)
            let onFault = (task.memory?.areas ?? []).filter(\.locksOnFault).map(\.start)
            let policies = (task.memory?.areas ?? []).compactMap { area in
                area.memoryPolicy.map { AreaPolicy(start: area.start, policy: $0) }
            }
            let row = Process(
                pid: task.pid.rawValue, coredumpFilter: task.process?.coredumpFilter,
                deniesWriteExecute: task.process?.deniesWriteExecute,
                mergesMemory: task.process?.mergesMemory, futureLocks: task.process?.futureLocks,
                lockedOnFault: onFault.isEmpty ? nil : onFault, sealed: sealed.isEmpty ? nil : sealed,
                memoryPolicies: policies.isEmpty ? nil : policies, exitSignal: task.process?.exitSignal)
            if row != Process(pid: task.pid.rawValue) { processes.append(row) }
        }
        if !processes.isEmpty { self.processes = processes }
        if !tree.socketExtras.isEmpty {
            sockets = tree.socketExtras.sorted { $0.key < $1.key }.map {
                Socket(file: $0.key, extras: $0.value)
            }
        }
        files = FileExtras(tree)
        unixSockets = UnixSocketExtras(tree)
        systemV = SystemVExtras(tree.systemV)
        if !tree.posixQueues.isEmpty { posixQueues = tree.posixQueues.map(PosixQueueExtras.init) }
        let streams = tree.streams.sorted { $0.key < $1.key }.map { Stream($0.key, $0.value) }
        if !streams.isEmpty { self.streams = streams }
        let closed = tree.terminals.filter(\.slaveIsClosed).map(\.id)
        if !closed.isEmpty { closedTerminals = closed }
        deadSession = tree.deadSession?.rawValue
        if let user = tree.namespaces.user, user.deniesGroups || user.keptGroups != nil {
            userNamespace = UserNamespace(deniesGroups: user.deniesGroups, keptGroups: user.keptGroups)
        }
    }

    /// Writes the file, unless there is nothing to say.
    func write(to directory: borrowing OwnedFD) throws(ImageError) {
        if threads.isEmpty && processes == nil && sockets == nil && files == nil
            && unixSockets == nil && systemV == nil && posixQueues == nil && streams == nil
            && closedTerminals == nil
            && deadSession == nil && userNamespace == nil
        {
            return
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        let data: [UInt8]
        do {
            data = Array(try encoder.encode(self))
        } catch {
            throw ImageError(file: ImageName.extras, "cannot be encoded: \(error)")
        }
        do throws(Errno) {
            try ImageDirectory.create(ImageName.extras, in: directory).writeAll(data)
        } catch {
            throw ImageError(file: ImageName.extras, "cannot be written", errno: error)
        }
    }

    /// Reads the file; nil when there is none.
    static func read(from directory: borrowing OwnedFD) throws(ImageError) -> ImageExtras? {
        guard let image = try ImageDirectory.openIfPresent(ImageName.extras, in: directory) else {
            return nil
        }
        guard image.size <= longestFile else {
            throw ImageError(file: ImageName.extras, "has \(image.size) bytes, far more than it can need")
        }
        let data: [UInt8]
        do throws(Errno) {
            data = try image.fd.readToEnd()
        } catch {
            throw ImageError(file: ImageName.extras, "cannot be read", errno: error)
        }
        let extras: ImageExtras
        do {
            extras = try JSONDecoder().decode(ImageExtras.self, from: Data(data))
        } catch {
            throw ImageError(file: ImageName.extras, "is not what crplan writes: \(error)")
        }
        guard extras.version == currentVersion else {
            throw ImageError(
                file: ImageName.extras,
                "has version \(extras.version); this crplan reads version \(currentVersion)")
        }
        for stream in extras.streams ?? [] where stream.value == nil {
            throw ImageError(file: ImageName.extras, "says of file \(stream.file) what cannot be")
        }
        for thread in extras.threads
        where (thread.memoryPolicy?.nodes.count ?? 0) > MemoryPolicyImage.mostNodes / 64 {
            throw ImageError(file: ImageName.extras, "thread \(thread.tid) has too many memory nodes")
        }
        for process in extras.processes ?? [] {
            for row in process.memoryPolicies ?? []
            where row.policy.nodes.count > MemoryPolicyImage.mostNodes / 64 {
                throw ImageError(
                    file: ImageName.extras, "process \(process.pid) has an area of too many memory nodes")
            }
        }
        for thread in extras.threads where thread.affinity.count > mostWords {
            throw ImageError(file: ImageName.extras, "thread \(thread.tid) has too many CPUs")
        }
        for process in extras.processes ?? [] where !(0...64).contains(process.exitSignal ?? 17) {
            throw ImageError(
                file: ImageName.extras,
                "process \(process.pid) ends with signal \(process.exitSignal ?? 17), which there is not")
        }
        for ghost in extras.files?.ghosts ?? [] where !ghost.attributes.allSatisfy(\.isPossible) {
            throw ImageError(
                file: ImageName.extras,
                "deleted file \(ghost.number) has an extended attribute that there cannot be")
        }
        if let groups = extras.userNamespace?.keptGroups, groups.count > mostGroups {
            throw ImageError(file: ImageName.extras, "has more supplementary groups than a task can")
        }
        if let session = extras.deadSession, session <= 0 {
            throw ImageError(file: ImageName.extras, "\(session) is no session")
        }
        return extras
    }

    /// Puts what the file says into the tree's processes and threads.
    func apply(to tree: inout TreeImage) {
        for socket in sockets ?? [] { tree.socketExtras[socket.file] = socket.extras }
        files?.apply(to: &tree)
        // Of another session than the root's it would be nonsense.
        if let root = tree.tasks.first, let session = deadSession, root.sid == PID(session),
            root.sid != root.pid
        {
            tree.deadSession = root.sid
        }
        unixSockets?.apply(to: &tree)
        if let userNamespace {
            tree.namespaces.user?.deniesGroups = userNamespace.deniesGroups
            tree.namespaces.user?.keptGroups = userNamespace.keptGroups
        }
        systemV?.apply(to: &tree.systemV)
        for row in posixQueues ?? [] { row.apply(to: &tree.posixQueues) }
        for row in streams ?? [] {
            if let ending = row.value { tree.streams[row.file] = ending }
        }
        for place in tree.terminals.indices where (closedTerminals ?? []).contains(tree.terminals[place].id) {
            tree.terminals[place].slaveIsClosed = true
        }
        let byThread = Dictionary(threads.map { ($0.tid, $0) }, uniquingKeysWith: { first, _ in first })
        let byProcess = Dictionary(
            (processes ?? []).map { ($0.pid, $0) }, uniquingKeysWith: { first, _ in first })
        for task in tree.tasks.indices {
            for place in tree.tasks[task].threads.indices {
                guard let row = byThread[tree.tasks[task].threads[place].tid.rawValue] else { continue }
                tree.tasks[task].threads[place].affinity = row.affinity
                tree.tasks[task].threads[place].commBytes = row.comm
                tree.tasks[task].threads[place].timerSlack = row.timerSlack
                tree.tasks[task].threads[place].memoryPolicy = row.memoryPolicy
                tree.tasks[task].threads[place].ioPriority = row.ioPriority
                tree.tasks[task].threads[place].slice = row.slice
                tree.tasks[task].threads[place].deadline = row.deadline
                tree.tasks[task].threads[place].isKilledEarly = row.isKilledEarly
            }
            guard let row = byProcess[tree.tasks[task].pid.rawValue] else { continue }
            tree.tasks[task].process?.coredumpFilter = row.coredumpFilter
            tree.tasks[task].process?.deniesWriteExecute = row.deniesWriteExecute
            tree.tasks[task].process?.mergesMemory = row.mergesMemory
            tree.tasks[task].process?.futureLocks = row.futureLocks
            tree.tasks[task].process?.exitSignal = row.exitSignal
            let onFault = Set(row.lockedOnFault ?? [])
            let sealed = Set(row.sealed ?? [])
            let policies = Dictionary(
                (row.memoryPolicies ?? []).map { ($0.start, $0.policy) },
                uniquingKeysWith: { first, _ in first })
            for area in (tree.tasks[task].memory?.areas ?? []).indices {
                guard let known = tree.tasks[task].memory?.areas[area],
                    !known.status.contains(.guardRegion)
                else { continue }
                tree.tasks[task].memory?.areas[area].locksOnFault = onFault.contains(known.start)
                tree.tasks[task].memory?.areas[area].memoryPolicy = policies[known.start]
                tree.tasks[task].memory?.areas[area].isSealed = sealed.contains(known.start)
            }
        }
    }
}

extension ImageExtras.Stream {
    init(_ file: UInt32, _ ending: StreamEnding) {
        self.file = file
        switch ending {
        case .standardStream(let number): (self.ending, self.number) = ("standard-stream", number)
        case .given: self.ending = "given"
        case .null: self.ending = "null"
        case .file(let path): (self.ending, self.path) = ("file", path)
        case .device(let name, let path, let device):
            (self.ending, self.name, self.path) = ("device", name, path)
            (major, minor) = (device.major, device.minor)
        }
    }

    /// Nil where a value that belongs to the word is missing.
    var value: StreamEnding? {
        if ending == "device" {
            guard let name, let path, let major, let minor else { return nil }
            return .device(name: name, path: path, DeviceNumber(major, minor))
        }
        return switch (ending, number, path) {
        case ("standard-stream", let number?, _) where (0...2).contains(number): .standardStream(number)
        case ("given", _, _): .given
        case ("null", _, _): .null
        case ("file", _, let path?): .file(path)
        default: nil
        }
    }
}
