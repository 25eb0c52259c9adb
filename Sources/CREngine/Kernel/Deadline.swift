import CPlatform
import Glibc

/// A moment of CLOCK_MONOTONIC, in nanoseconds.
package struct Deadline: Sendable, Comparable {
    package let nanoseconds: UInt64
    package init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    /// This much after now.
    package static func after(milliseconds: UInt64) -> Deadline {
        Deadline(nanoseconds: MonotonicClock.now() &+ milliseconds &* 1_000_000)
    }

    package var hasPassed: Bool { MonotonicClock.now() >= nanoseconds }

    package static func < (a: Deadline, b: Deadline) -> Bool { a.nanoseconds < b.nanoseconds }
}

/// CLOCK_MONOTONIC of our own time namespace.
package enum MonotonicClock {
    /// Nanoseconds.
    package static func now() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

/// Waiting for a state by looking again and again: first at once, later in steps of up to 2 ms.
package struct Backoff {
    private var rounds = 0
    package init() {}

    /// Lets other tasks run, longer each time.
    package mutating func pause() {
        rounds += 1
        if rounds < 50 {
            _ = cp_syscall(CP_SYS_sched_yield, 0, 0, 0, 0, 0, 0)
            return
        }
        var time = timespec(tv_sec: 0, tv_nsec: rounds < 100 ? 100_000 : 2_000_000)
        nanosleep(&time, nil)
    }
}
