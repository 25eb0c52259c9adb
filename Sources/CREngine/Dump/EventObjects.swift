import CPlatform
import Glibc

/// Images of event objects: what the snapshot has of them, and what only a descriptor of our own can tell.
struct EventObjects {
    let snapshot: Snapshot
    /// Of the task that holds the file as `descriptor`.
    let pidfd: Int32
    let descriptor: Int32

    /// Nil for a file of another kind. An epoll set comes without its members.
    func content(of file: OpenFile, owner: OwnerImage) throws(Errno) -> FileImage.Content? {
        if let state = EventFD.recognise(file, in: snapshot) {
            var image = EventFDImage(flags: file.info.flags, count: state.count)
            image.owner = owner
            image.isSemaphore = state.isSemaphore
            return .eventFD(image)
        }
        if let state = SignalFD.recognise(file, in: snapshot) {
            var image = SignalFDImage(flags: file.info.flags, mask: state.mask)
            image.owner = owner
            return .signalFD(image)
        }
        if TimerFD.recognise(file, in: snapshot) != nil { return .timerFD(try timer(file, owner)) }
        if let state = ProcessFD.recognise(file, in: snapshot) {
            let access: UInt32 = 0o3
            var image = ProcessFDImage(
                flags: file.info.flags & ~access, target: state.pid,
                inode: UInt32(truncatingIfNeeded: file.inode))
            image.owner = owner
            if state.pid == -1 { image.endStatus = try endStatus() }
            return .processFD(image)
        }
        if Epoll.recognise(file, in: snapshot) != nil {
            var image = EpollImage(flags: file.info.flags)
            image.owner = owner
            image.busyPolling = try busyPolling()
            return .epoll(image)
        }
        if Inotify.recognise(file, in: snapshot) != nil {
            var image = InotifyImage(flags: file.info.flags)
            image.owner = owner
            image.watches = watches(file).compactMap { watch in
                guard case .watch(let number) = watch.row.place else { return nil }
                return InotifyImage.Watch(
                    number: number, inode: watch.row.inode, device: watch.row.device, mask: watch.row.mask,
                    handle: Self.handle(watch))
            }
            return .inotify(image)
        }
        if let state = Fanotify.recognise(file, in: snapshot) {
            var image = FanotifyImage(
                flags: file.info.flags, groupFlags: state.groupFlags, eventFlags: state.eventFlags)
            image.owner = owner
            image.marks = watches(file).compactMap(Self.mark)
            return .fanotify(image)
        }
        return nil
    }

    /// Those whose file can be found again; that there are others is a finding, and was allowed.
    private func watches(_ file: OpenFile) -> [Watch] {
        (snapshot.watches[file.id]?.watches ?? []).filter(\.isFound)
    }

    private static func handle(_ watch: Watch) -> FileHandleImage {
        var handle = FileHandleImage(type: watch.row.handleType, bytes: watch.row.handle)
        handle.path = watch.path
        return handle
    }

    private static func mark(_ watch: Watch) -> FanotifyImage.Mark? {
        let place: FanotifyImage.Mark.Place
        switch watch.row.place {
        case .inode: place = .inode(watch.row.inode, handle(watch))
        case .mount(let id): place = .mount(UInt32(bitPattern: id), path: watch.path)
        case .watch, .other: return nil
        }
        return FanotifyImage.Mark(
            place: place, flags: watch.row.flags, mask: watch.row.mask, ignoredMask: watch.row.ignoredMask,
            device: watch.row.device)
    }

    private func take() throws(Errno) -> OwnedFD {
        OwnedFD(taking: Int32(try systemCall(CP_SYS_pidfd_getfd, Int(pidfd), Int(descriptor), 0)))
    }

    /// The kernel brings the count of a periodic timer up to date when it is asked for the time left, as fdinfo does
    /// not; no reader can tell. See fs/timerfd.c, do_timerfd_gettime.
    private func timer(_ file: OpenFile, _ owner: OwnerImage) throws(Errno) -> TimerFDImage {
        let timer = try take()
        var times = (UInt64(0), UInt64(0), UInt64(0), UInt64(0))
        var state: TimerFD.State
        repeat {
            try withUnsafeMutablePointer(to: &times) { (pointer) throws(Errno) -> Void in
                try systemCall(CP_SYS_timerfd_gettime, Int(timer.rawValue), Int(bitPattern: pointer))
            }
            state = try Self.state(timer)
        } while state.isDue
        var image = TimerFDImage(flags: file.info.flags, clock: state.clock)
        image.owner = owner
        image.ticks = state.ticks
        image.setFlags = state.setFlags
        (image.valueSeconds, image.valueNanoseconds) = state.value
        (image.intervalSeconds, image.intervalNanoseconds) = state.interval
        let absolute: UInt32 = 1
        let isWallClock = state.clock == UInt32(CLOCK_REALTIME) || state.clock == UInt32(CLOCK_REALTIME_ALARM)
        if isWallClock && state.setFlags & absolute != 0 && state.value != (0, 0) {
            // Read after the time left, so that the timer is never early.
            var now = timespec()
            clock_gettime(CLOCK_REALTIME, &now)
            let left = Int64(clamping: state.value.seconds).multipliedReportingOverflow(by: 1_000_000_000)
            let end = (Int64(now.tv_sec) * 1_000_000_000 + Int64(now.tv_nsec)).addingReportingOverflow(
                left.partialValue)
            if !left.overflow && !end.overflow {
                image.wallTime = end.partialValue &+ Int64(clamping: state.value.nanoseconds)
            }
        }
        return image
    }

    private static func state(_ timer: borrowing OwnedFD) throws(Errno) -> TimerFD.State {
        let bytes = try OwnedFD.open("/proc/self/fdinfo/\(timer.rawValue)", O_RDONLY).readToEnd()
        guard let info = try? DescriptorInfo(parsing: bytes), let state = TimerFD.State(info) else {
            throw .invalid
        }
        return state
    }

    /// EPIOCGPARAMS; none on kernels before 6.9.
    private func busyPolling() throws(Errno) -> UInt64 {
        let set = try take()
        let getParameters = 0x8008_8a02
        var parameters: UInt64 = 0
        let answer = withUnsafeMutablePointer(to: &parameters) {
            cp_syscall(CP_SYS_ioctl, Int(set.rawValue), getParameters, Int(bitPattern: $0), 0, 0, 0)
        }
        return answer == 0 ? parameters : 0
    }

    /// PIDFD_GET_INFO with PIDFD_INFO_EXIT; nil on kernels before 6.15.
    private func endStatus() throws(Errno) -> UInt32? {
        let process = try take()
        let getInfo = 0xc040_ff0b
        let exitCode: UInt64 = 8
        var info = [UInt64](repeating: 0, count: 8)
        info[0] = exitCode
        let answer = info.withUnsafeMutableBytes { buffer in
            cp_syscall(
                CP_SYS_ioctl, Int(process.rawValue), getInfo, Int(bitPattern: buffer.baseAddress), 0, 0, 0)
        }
        return answer == 0 && info[0] & exitCode != 0 ? UInt32(info[7] >> 32) : nil
    }
}
