import CPlatform
import Glibc

/// Puts the members back into the epoll sets, when every descriptor has its final number.
///
/// A member holds the number under which it was added, and one that is a signalfd watches for signals of whoever added
/// it. So the first holder of a set does it. Readiness is looked at as a member comes in: what is ready is reported,
/// also by a member that is edge-triggered and had reported it before the dump.
struct EpollBuilder {
    let tasks: TaskFiles

    private static let oneShot: UInt32 = 1 << 30
    /// EPOLLIN and EPOLLOUT.
    private static let readOrWrite: UInt32 = 5
    /// EPOLLONESHOT, EPOLLET, EPOLLWAKEUP, EPOLLEXCLUSIVE: how to report, not what.
    private static let modes: UInt32 = 0xf000_0000
    private static let add = 1
    private static let modify = 3

    /// Makes the sets, still without members: the kernel counts those against the user of the maker.
    func make() throws(RestoreError) {
        for file in tasks.tree.files {
            guard case .epoll(let image) = file.content else { continue }
            let thread = tasks.maker(of: file.id).leader
            let closeOnExec = Int(O_CLOEXEC)
            let number = try thread.call("epoll_create1", CP_SYS_epoll_create1, closeOnExec)
            let settable = Int32(bitPattern: image.flags) & ~(O_ACCMODE | O_ASYNC)
            if settable != 0 {
                try thread.call("fcntl", CP_SYS_fcntl, number, Int(F_SETFL), Int(settable))
            }
            if image.busyPolling != 0 {
                let setParameters = 0x4008_8a01
                try thread.call(
                    "ioctl", CP_SYS_ioctl, number, setParameters, try thread.put(image.busyPolling))
            }
            tasks.files.adopt(file.id, try tasks.take(number, from: thread))
        }
    }

    /// All of them are in place.
    func fill() throws(RestoreError) {
        for file in tasks.tree.files {
            guard case .epoll(let image) = file.content, !image.targets.isEmpty else { continue }
            let process = tasks.maker(of: file.id)
            guard let own = process.image.descriptors.first(where: { $0.file == file.id }) else {
                throw RestoreError("epoll set \(file.id)", "is held by no task of the image")
            }
            try fill(own.fd, image, process)
        }
    }

    private func fill(_ set: Int32, _ image: EpollImage, _ process: StubProcess) throws(RestoreError) {
        // While the set has only members that are at rest, what it reports is the one that was added last.
        let targets = image.targets
        for target in targets.filter(Self.isAtRest) + targets.filter({ !Self.isAtRest($0) }) {
            if target.addedAs == nil && target.file == nil {
                try add(target, as: Int32(bitPattern: target.fd), to: set, process)
            } else {
                try addByOldNumber(target, to: set, process)
            }
        }
    }

    /// An EPOLLONESHOT member that has fired.
    private static func isAtRest(_ target: EpollImage.Target) -> Bool {
        target.events & oneShot != 0 && target.events & ~modes == 0
    }

    private func add(
        _ target: EpollImage.Target, as number: Int32, to set: Int32, _ process: StubProcess
    ) throws(RestoreError) {
        let thread = process.leader
        var events = target.events
        // epoll_ctl(2) always watches for errors, firing alone stops that. So it is to fire, for anything that is ready.
        if Self.isAtRest(target) { events |= Self.readOrWrite }
        switch try thread.attempt(
            "epoll_ctl", CP_SYS_epoll_ctl, Int(set), Self.add, Int(number),
            try thread.put(Self.event(events, target.data)))
        {
        case .success: break
        case .failure(let errno):
            throw RestoreError(
                "fd \(set) of task \(process.pid)", "its epoll set cannot watch fd \(number) again",
                errno: errno)
        }
        guard Self.isAtRest(target) else { return }
        let fired = try thread.call(
            "epoll_wait", CP_SYS_epoll_wait, Int(set), Int(thread.scratch.rawValue) + 64, 1, 0)
        if fired == 0 {
            try thread.call(
                "epoll_ctl", CP_SYS_epoll_ctl, Int(set), Self.modify, Int(number),
                try thread.put(Self.event(target.events, target.data)))
        }
    }

    /// Lends the file to the process under the number that it had when it was added; whatever has the number now is put
    /// aside meanwhile.
    private func addByOldNumber(
        _ target: EpollImage.Target, to set: Int32, _ process: StubProcess
    ) throws(RestoreError) {
        let thread = process.leader
        let number = Int32(bitPattern: target.addedAs ?? target.fd)
        let held = process.image.descriptors
        guard let file = target.file ?? held.first(where: { UInt32(bitPattern: $0.fd) == target.fd })?.file
        else {
            throw RestoreError(
                "fd \(set) of task \(process.pid)",
                "its epoll set watches fd \(target.fd), which is not in the image")
        }
        let copy = try tasks.lender.take(try tasks.files.descriptor(of: file), into: thread)
        guard let present = held.first(where: { $0.fd == number }) else {
            if copy != Int(number) {
                try thread.call("dup3", CP_SYS_dup3, copy, Int(number), Int(O_CLOEXEC))
                try thread.call("close", CP_SYS_close, copy)
            }
            try add(target, as: number, to: set, process)
            try thread.call("close", CP_SYS_close, Int(number))
            return
        }
        // If the set itself has the number, it is reached by its copy.
        let aside = try thread.call("fcntl", CP_SYS_fcntl, Int(number), Int(F_DUPFD_CLOEXEC), 0)
        try thread.call("dup3", CP_SYS_dup3, copy, Int(number), Int(O_CLOEXEC))
        try thread.call("close", CP_SYS_close, copy)
        try add(target, as: number, to: set == number ? Int32(aside) : set, process)
        let flags = present.flags & 1 != 0 ? Int(O_CLOEXEC) : 0
        try thread.call("dup3", CP_SYS_dup3, aside, Int(number), flags)
        try thread.call("close", CP_SYS_close, aside)
    }

    /// struct epoll_event, which is packed.
    private static func event(_ events: UInt32, _ data: UInt64) -> [UInt8] {
        withUnsafeBytes(of: events) { Array($0) } + withUnsafeBytes(of: data) { Array($0) }
    }
}
