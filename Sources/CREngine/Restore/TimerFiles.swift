import CPlatform
import Glibc

/// The timer descriptors of a tree: made early, armed last, as they run from then on.
///
/// They are armed by us. What is absolute is counted by our clocks, and the kernel keeps host time.
final class TimerFiles {
    private static let absolute: UInt32 = 1
    private static let billion: Int64 = 1_000_000_000
    private var timers: [(id: UInt32, image: TimerFDImage, fd: Int32)] = []

    deinit { closeAll() }

    /// Ours keeps no tree from anything and stays open until the timers are armed.
    func open(_ id: UInt32, _ image: TimerFDImage) throws(RestoreError) -> OwnedFD {
        let timer = try RestoreError.about("timerfd \(id)", "cannot be made again for clock \(image.clock)") {
            () throws(Errno) -> OwnedFD in
            let file = OwnedFD(taking: Int32(try systemCall(CP_SYS_timerfd_create, Int(image.clock), 0)))
            try EventFiles.setFlags(file, image.flags)
            return file
        }
        let copy = try RestoreError.about("timerfd \(id)", "cannot be kept") { () throws(Errno) -> Int32 in
            Int32(try systemCall(CP_SYS_fcntl, Int(timer.rawValue), Int(F_DUPFD_CLOEXEC), 0))
        }
        timers.append((id, image, copy))
        return timer
    }

    func arm() throws(RestoreError) {
        for timer in timers {
            try RestoreError.about("timerfd \(timer.id)", "cannot be set") { () throws(Errno) -> Void in
                var times = Self.times(timer.image)
                try withUnsafePointer(to: &times) { (pointer) throws(Errno) -> Void in
                    try systemCall(
                        CP_SYS_timerfd_settime, Int(timer.fd), Int(timer.image.setFlags),
                        Int(bitPattern: pointer), 0)
                }
                if timer.image.ticks == 0 { return }
                let setTicks = 0x4008_5400
                try withUnsafePointer(to: timer.image.ticks) { (ticks) throws(Errno) -> Void in
                    try systemCall(CP_SYS_ioctl, Int(timer.fd), setTicks, Int(bitPattern: ticks))
                }
            }
        }
        closeAll()
    }

    private func closeAll() {
        for timer in timers { _ = close(timer.fd) }
        timers = []
    }

    /// Interval and first expiration, as struct itimerspec. A disarmed timer is set all the same, for its flags.
    private static func times(_ image: TimerFDImage) -> (UInt64, UInt64, UInt64, UInt64) {
        let interval = (image.intervalSeconds, image.intervalNanoseconds)
        var value = (image.valueSeconds, image.valueNanoseconds)
        // CRIU writes of a periodic timer that is due and was not asked since that no time is left.
        if value == (0, 0) { value = interval }
        if value != (0, 0), image.setFlags & absolute != 0 {
            var due: Int64
            if let wallTime = image.wallTime {
                due = wallTime
            } else {
                var now = timespec()
                clock_gettime(clockid_t(bitPattern: image.clock), &now)
                due =
                    (Int64(now.tv_sec) &+ Int64(truncatingIfNeeded: value.0)) &* billion &+ Int64(now.tv_nsec)
                    &+ Int64(truncatingIfNeeded: value.1)
            }
            due = max(due, 1)
            value = (UInt64(due / billion), UInt64(due % billion))
        }
        return (interval.0, interval.1, value.0, value.1)
    }
}
