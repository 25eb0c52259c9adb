/// Reads processes from /proc, one after the other; several readers can be at work at once.
///
/// Has no effect on a process, and compares none with another: what it answers is what /proc said.
struct TaskReader {
    /// What all readers of one look have in common.
    struct Context: Sendable {
        var scope: Collector.Scope
        var ownNamespaces: Namespaces
        /// numa_maps walks all page tables; where there is one node only, no policy has an effect.
        var hasSeveralNodes: Bool
        var notes: KernelNotes
    }

    private let context: Context
    private var knownMappings: Set<TaskReading.MappedFileKey> = []
    private var knownFacts: [DescriptorReader.FileKey: FileFacts] = [:]

    init(_ context: Context) { self.context = context }

    /// Throws `vanished` where the process is gone, or is no child of `expectedParent` any more.
    mutating func read(_ pid: PID, expectedParent: PID?) throws(TaskReadError) -> TaskReading {
        let directory = try Self.directory(of: pid)
        let stat: TaskStat = try Self.parse("stat", directory) { (bytes) throws(ProcFormatError) in
            try TaskStat(parsing: bytes)
        }
        if let expectedParent, stat.parent != expectedParent.rawValue { throw .vanished }
        var reading = TaskReading(task: TaskFacts(stat: stat))
        reading.task.status = try Self.parse("status", directory) { (bytes) throws(ProcFormatError) in
            try TaskStatus(parsing: bytes)
        }
        if reading.task.isZombie {
            if reading.task.leaderHasEnded { reading.children = try Self.children(directory) }
            return reading
        }
        if reading.task.isKernelThread { return reading }
        if case .uninterruptible = reading.task.state {
            reading.task.state = .uninterruptible(where: Self.text("wchan", directory) ?? "")
        }
        try readProcess(&reading, directory)
        if context.scope.isFrozen { try readForImages(&reading, directory) }
        try readThreads(&reading, directory, leader: stat)
        try readAreas(&reading, directory)
        try readDescriptors(&reading, directory)
        // Not before: what a process told that vanished meanwhile nobody hears.
        knownMappings.formUnion(reading.mappedFiles.keys)
        return reading
    }

    private func readProcess(
        _ reading: inout TaskReading, _ directory: borrowing ProcDirectory
    ) throws(TaskReadError) {
        var task = reading.task
        task.umask = task.status.umask ?? 0
        task.residentBytes = task.status.residentBytes ?? 0
        task.namespaces = Self.namespaces(directory)
        reading.exe = link("exe", directory, &reading)
        reading.cwd = link("cwd", directory, &reading)
        reading.rootDirectory = link("root", directory, &reading)
        task.arguments = try Self.record("cmdline", directory).split(
            separator: 0, omittingEmptySubsequences: false
        ).dropLast().map { String(decoding: $0, as: UTF8.self) }
        task.watchdog = WatchdogRequest.of(
            task.pid.rawValue, environment: try Self.record("environ", directory))
        reading.cgroupText = try Self.record("cgroup", directory)
        task.cgroups = try Self.parse(reading.cgroupText) { (bytes) throws(ProcFormatError) in
            try CgroupRow.parse(bytes)
        }
        task.securityLabel = Self.label(directory)
        task.posixTimers = try Self.parse(try Self.bytes("timers", directory)) {
            (bytes) throws(ProcFormatError) in try TimerRow.parse(bytes)
        }
        if task.posixTimers.contains(where: \.isOfUnknownThread),
            let notes = context.notes.timers(of: task.pid)
        {
            for note in notes {
                for place in task.posixTimers.indices where task.posixTimers[place].id == note.id {
                    task.posixTimers[place].clockOwner = note.clockOwner
                }
            }
        }
        if task.namespaces.mount != context.ownNamespaces.mount, let bytes = try? directory.read("mountinfo"),
            let mounts = try? MountRow.parse(bytes)
        {
            reading.mounts = mounts
        }
        reading.task = task
    }

    /// What no rule asks for and only images carry.
    private func readForImages(
        _ reading: inout TaskReading, _ directory: borrowing ProcDirectory
    ) throws(TaskReadError) {
        reading.task.personality = Self.note("personality", directory, &reading) ?? ""
        reading.task.oomScoreAdjust = Self.text("oom_score_adj", directory).flatMap { Int32($0) } ?? 0
        reading.task.coredumpFilter =
            Self.text("coredump_filter", directory).flatMap { UInt32($0, radix: 16) }
        reading.task.loginuid = Self.text("loginuid", directory).flatMap { UInt32($0) } ?? .max
        reading.task.auxv = try Self.parse("auxv", directory) { (bytes) throws(ProcFormatError) in
            try AuxiliaryVector.parse(bytes)
        }
        reading.task.limits = try Self.parse("limits", directory) { (bytes) throws(ProcFormatError) in
            try ResourceLimit.parse(bytes)
        }
    }

    // MARK: Threads

    private func readThreads(
        _ reading: inout TaskReading, _ directory: borrowing ProcDirectory, leader stat: TaskStat
    ) throws(TaskReadError) {
        let leader = reading.task.pid.rawValue
        reading.task.threads.append(leaderFacts(reading.task, stat))
        reading.children = try Self.children("task/\(leader)/children", directory)
        if stat.threadCount <= 1 { return }
        let tasks = try Self.directory("task", directory)
        let ids = try Self.numbers(".", tasks).filter { $0 != leader }
        let task = (facts: reading.task, cgroups: reading.cgroupText)
        let parts = try ReadParts(ids, share: 64).read { (ids) throws(TaskReadError) in
            try readThreads(ids, tasks, of: task.facts, task.cgroups)
        }
        for part in parts {
            reading.task.threads += part.threads
            reading.children += part.children
            reading.events += part.events
        }
    }

    private func readThreads(
        _ ids: ArraySlice<Int32>, _ tasks: borrowing ProcDirectory, of task: TaskFacts, _ cgroups: [UInt8]
    ) throws(TaskReadError) -> (threads: [ThreadFacts], children: [PID], events: [CollectionEvent]) {
        var part: (threads: [ThreadFacts], children: [PID], events: [CollectionEvent]) = ([], [], [])
        for id in ids {
            do throws(TaskReadError) {
                let thread = try Self.directory("\(id)", tasks)
                part.threads.append(try threadFacts(task, thread, leaderCgroups: cgroups))
                part.children += try Self.children("children", thread)
            } catch {
                guard case .vanished = error else { throw error }
                part.events.append(.threadVanished(task.pid, TID(id)))
            }
        }
        return part
    }

    /// Of the leader stat and status say what those of its process said.
    private func leaderFacts(_ task: TaskFacts, _ stat: TaskStat) -> ThreadFacts {
        var thread = ThreadFacts(stat: stat)
        thread.status = task.status
        if case .uninterruptible(let place) = task.state { thread.uninterruptibleIn = place }
        Self.askOddities(&thread)
        if context.scope.isFrozen { Self.ask(&thread) }
        return thread
    }

    private func threadFacts(
        _ task: TaskFacts, _ directory: borrowing ProcDirectory, leaderCgroups: [UInt8]
    ) throws(TaskReadError) -> ThreadFacts {
        let stat: TaskStat = try Self.parse("stat", directory) { (bytes) throws(ProcFormatError) in
            try TaskStat(parsing: bytes)
        }
        var thread = ThreadFacts(stat: stat)
        thread.status = try Self.parse("status", directory) { (bytes) throws(ProcFormatError) in
            try TaskStatus(parsing: bytes)
        }
        if thread.state == UInt8(ascii: "D") {
            thread.uninterruptibleIn = Self.text("wchan", directory) ?? ""
        }
        Self.askOddities(&thread)
        if context.scope.isFrozen { Self.ask(&thread) }
        let cgroups = try Self.record("cgroup", directory)
        if cgroups != leaderCgroups {
            let rows = try Self.parse(cgroups) { (bytes) throws(ProcFormatError) in
                try CgroupRow.parse(bytes)
            }
            if rows != task.cgroups { thread.cgroups = rows }
        }
        let id = PID(thread.tid.rawValue)
        thread.sharesFilesWithLeader = Self.isSame(.files, id, task.pid)
        thread.sharesFileSystemWithLeader = Self.isSame(.fileSystem, id, task.pid)
        let namespaces = Self.namespaces(
            directory, ofThreadOf: task.namespaces,
            sharesFileSystem: thread.sharesFileSystemWithLeader)
        if namespaces != task.namespaces { thread.namespaces = namespaces }
        return thread
    }

    /// What system calls tell of a thread, not /proc, and no image can hold.
    private static func askOddities(_ thread: inout ThreadFacts) {
        thread.hasCoreCookie = CoreScheduling.hasCookie(thread.tid)
        if thread.schedulingPolicy == SchedulingAttributes.deadlinePolicy {
            thread.deadline = SchedulingAttributes.of(thread.tid)?.deadline
        }
        thread.clampsUtilisation = SchedulingAttributes.clampsUtilisation(thread.tid)
    }

    /// What system calls tell of a thread, not /proc, and only images carry.
    private static func ask(_ thread: inout ThreadFacts) {
        thread.affinity = affinity(thread.tid)
        if let scheduling = SchedulingAttributes.of(thread.tid) {
            if scheduling.resetsOnFork { thread.schedulingPolicy |= SchedulingAttributes.resetOnFork }
            thread.slice = scheduling.slice
        }
        thread.ioPriority = IOPriority.of(thread.tid)
    }

    // MARK: Memory

    private mutating func readAreas(
        _ reading: inout TaskReading, _ directory: borrowing ProcDirectory
    ) throws(TaskReadError) {
        var rows: [AreaRow] = []
        var isDetailed = true
        if reading.task.residentBytes > context.scope.residentLimit {
            rows = try Self.areas("maps", directory, limit: .max) ?? []
            // What a file of huge pages is, only details tell, and such files mostly have no name.
            isDetailed = rows.contains { $0.name.hasSuffix(" (deleted)") }
        }
        if isDetailed {
            // An area has less than a kilobyte in smaps, a long name apart.
            let (limit, isUnlimited) = context.scope.areaLimit.multipliedReportingOverflow(by: 1024)
            let details = try Self.areas("smaps", directory, limit: isUnlimited ? .max : limit)
            isDetailed = details != nil
            rows = if let details { details } else { try Self.areas("maps", directory, limit: .max) ?? [] }
        }
        if context.scope.isFrozen || context.hasSeveralNodes && isDetailed {
            try readPolicies(&reading, directory)
        }
        if rows.contains(where: { $0.name.hasPrefix("/[aio]") }) {
            reading.task.asyncRings = rings(of: reading.task.pid)
        }
        var gone: Set<TaskReading.MappedFileKey> = []
        for row in rows where row.inode != 0 {
            let key = TaskReading.MappedFileKey(row)
            if knownMappings.contains(key) || reading.mappedFiles[key] != nil { continue }
            let range = "map_files/\(String(row.start, radix: 16))-\(String(row.end, radix: 16))"
            do throws(Errno) {
                reading.mappedFiles[key] = try directory.facts(range)
            } catch {
                if !context.scope.isFrozen, error == .noEntry || error == .noProcess {
                    // The area has gone from a running process, or the process with it.
                    if (try? directory.readRecord("stat")) == nil { throw .vanished }
                    gone.insert(key)
                } else if error != .noEntry {
                    reading.events.append(.unreadable(reading.task.pid, what: range, error))
                }
            }
        }
        reading.areas = gone.isEmpty ? rows : rows.filter { !gone.contains(TaskReading.MappedFileKey($0)) }
    }

    private func readPolicies(
        _ reading: inout TaskReading, _ directory: borrowing ProcDirectory
    ) throws(TaskReadError) {
        if let policies = context.notes.policies(of: reading.task.pid) {
            reading.task.nodePolicies = policies
        } else if let bytes = try? directory.read("numa_maps") {
            // A kernel without NUMA has no such file.
            reading.task.nodePolicies = try Self.parse(bytes) {
                (bytes) throws(ProcFormatError) in try NodePolicy.parse(bytes)
            }
        }
    }

    /// How long requests to devices may take to end, while the tree is frozen, before the dump is refused. Those that
    /// wait for readiness (IOCB_CMD_POLL) may never end.
    private static let patience: UInt64 = 2000

    private func rings(of pid: PID) -> [AsyncRing]? {
        let deadline = Deadline.after(milliseconds: Self.patience)
        var backoff = Backoff()
        while true {
            guard let rings = context.notes.rings(of: pid) else { return nil }
            if !context.scope.isFrozen || rings.allSatisfy({ $0.underWay == 0 }) || deadline.hasPassed {
                return rings
            }
            backoff.pause()
        }
    }

    // MARK: Descriptors

    private mutating func readDescriptors(
        _ reading: inout TaskReading, _ directory: borrowing ProcDirectory
    ) throws(TaskReadError) {
        let links = try Self.directory("fd", directory)
        let infos = try Self.directory("fdinfo", directory)
        let empty = DescriptorReader(
            pid: reading.task.pid, isFrozen: context.scope.isFrozen, knownFacts: knownFacts)
        let numbers = try Self.numbers(".", links)
        let parts = try ReadParts(numbers, share: 512).read { (numbers) throws(TaskReadError) in
            var reader = empty
            reader.read(numbers, links, infos)
            return reader
        }
        for part in parts {
            reading.descriptors += part.descriptors
            reading.events += part.events
            knownFacts.merge(part.knownFacts) { _, latest in latest }
        }
        if let addresses = context.notes.openFiles(of: reading.task.pid, count: numbers.count) {
            note(addresses, &reading)
        }
    }

    /// A descriptor that the kernel knows nothing of was closed since it was looked at.
    private func note(_ addresses: [Int32: UInt64], _ reading: inout TaskReading) {
        let descriptors = reading.descriptors
        reading.descriptors = []
        for var descriptor in descriptors {
            guard let address = addresses[descriptor.fd] else {
                reading.events.append(.descriptorClosed(reading.task.pid, descriptor.fd))
                continue
            }
            descriptor.address = address
            reading.descriptors.append(descriptor)
        }
    }

    // MARK: Small files

    private func link(
        _ name: String, _ directory: borrowing ProcDirectory, _ reading: inout TaskReading
    ) -> TaskReading.Link? {
        do throws(Errno) {
            for _ in 0..<DescriptorReader.attempts {
                let link = TaskReading.Link(
                    text: try directory.link(name), facts: try directory.facts(name))
                if context.scope.isFrozen { return link }
                // An execve(2) or chdir(2) between the two.
                if try directory.link(name) == link.text { return link }
            }
            throw Errno.again
        } catch {
            reading.events.append(.unreadable(reading.task.pid, what: name, error))
            return nil
        }
    }

    /// A file of one line; where it cannot be read that is an event.
    private static func note(
        _ name: String, _ directory: borrowing ProcDirectory, _ reading: inout TaskReading
    ) -> String? {
        do throws(Errno) {
            return line(try directory.readRecord(name))
        } catch {
            reading.events.append(.unreadable(reading.task.pid, what: name, error))
            return nil
        }
    }
}
