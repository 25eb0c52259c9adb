/// What CRIU's rows of open files have no field for; a part of `ImageExtras`. Files are named by their ids.
struct FileExtras: Codable, Equatable {
    struct Timer: Codable, Equatable {
        var file: UInt32
        /// Nanoseconds of the wall clock.
        var wallTime: Int64
    }
    struct EndedProcess: Codable, Equatable {
        var file: UInt32
        /// As wait(2) has it.
        var status: UInt32
    }
    struct EpollTarget: Codable, Equatable {
        var file: UInt32
        /// Place in the set's list.
        var place: Int
        /// The number under which it was added.
        var addedAs: UInt32?
        /// What is watched.
        var target: UInt32?
    }
    struct BusyPolling: Codable, Equatable {
        var file: UInt32
        /// struct epoll_params of ioctl_eventpoll(2), as a word.
        var parameters: UInt64
    }
    /// Extended attributes of a deleted file.
    struct Ghost: Codable, Equatable {
        var number: UInt32
        var attributes: [ExtendedAttribute]
    }
    /// Event counters with EFD_SEMAPHORE.
    var semaphores: [UInt32]?
    var timers: [Timer]?
    var endedProcesses: [EndedProcess]?
    var epollTargets: [EpollTarget]?
    var busyPolling: [BusyPolling]?
    var ghosts: [Ghost]?

    /// Nil where there is nothing to say.
    init?(_ tree: TreeImage) {
        var semaphores: [UInt32] = []
        var timers: [Timer] = []
        var ended: [EndedProcess] = []
        var targets: [EpollTarget] = []
        var polling: [BusyPolling] = []
        for file in tree.files {
            switch file.content {
            case .eventFD(let image) where image.isSemaphore: semaphores.append(file.id)
            case .timerFD(let image):
                if let time = image.wallTime { timers.append(Timer(file: file.id, wallTime: time)) }
            case .processFD(let image):
                if let status = image.endStatus { ended.append(EndedProcess(file: file.id, status: status)) }
            case .epoll(let image):
                if image.busyPolling != 0 {
                    polling.append(BusyPolling(file: file.id, parameters: image.busyPolling))
                }
                for (place, target) in image.targets.enumerated()
                where target.addedAs != nil || target.file != nil {
                    targets.append(
                        EpollTarget(
                            file: file.id, place: place, addedAs: target.addedAs, target: target.file))
                }
            default: break
            }
        }
        let ghosts = tree.ghosts.filter { !$0.attributes.isEmpty }.map {
            Ghost(number: $0.number, attributes: $0.attributes)
        }
        if semaphores.isEmpty && timers.isEmpty && ended.isEmpty && targets.isEmpty && polling.isEmpty
            && ghosts.isEmpty
        {
            return nil
        }
        if !ghosts.isEmpty { self.ghosts = ghosts }
        if !polling.isEmpty { busyPolling = polling }
        if !semaphores.isEmpty { self.semaphores = semaphores }
        if !timers.isEmpty { self.timers = timers }
        if !ended.isEmpty { endedProcesses = ended }
        if !targets.isEmpty { epollTargets = targets }
    }

    /// Puts what is said into the rows that it is said of.
    func apply(to tree: inout TreeImage) {
        for row in ghosts ?? [] {
            for place in tree.ghosts.indices where tree.ghosts[place].number == row.number {
                tree.ghosts[place].attributes = row.attributes
            }
        }
        let semaphores = Set(self.semaphores ?? [])
        let times = Dictionary(
            (timers ?? []).map { ($0.file, $0.wallTime) }, uniquingKeysWith: { first, _ in first })
        let ends = Dictionary(
            (endedProcesses ?? []).map { ($0.file, $0.status) }, uniquingKeysWith: { first, _ in first })
        let polling = Dictionary(
            (busyPolling ?? []).map { ($0.file, $0.parameters) }, uniquingKeysWith: { first, _ in first })
        let targets = Dictionary(grouping: epollTargets ?? [], by: \.file)
        for place in tree.files.indices {
            let id = tree.files[place].id
            switch tree.files[place].content {
            case .eventFD(var image):
                image.isSemaphore = semaphores.contains(id)
                tree.files[place].content = .eventFD(image)
            case .timerFD(var image):
                image.wallTime = times[id]
                tree.files[place].content = .timerFD(image)
            case .processFD(var image):
                image.endStatus = ends[id]
                tree.files[place].content = .processFD(image)
            case .epoll(var image):
                image.busyPolling = polling[id] ?? 0
                for row in targets[id] ?? [] where image.targets.indices.contains(row.place) {
                    image.targets[row.place].addedAs = row.addedAs
                    image.targets[row.place].file = row.target
                }
                tree.files[place].content = .epoll(image)
            default: break
            }
        }
    }
}
