import CPlatform

/// A POSIX timer whose last signal was taken late, which timer_getoverrun(2) tells.
///
/// It is armed for a time so long ago that it has gone off as often again. The signal comes at once and is taken; the kernel
/// counts how often that is late, and goes on with what is left of the interval.
struct PassedTimer {
    private let timer: PosixTimerImage
    private static let second: Int64 = 1_000_000_000

    init(_ timer: PosixTimerImage) { self.timer = timer }

    /// False where it cannot be done, and the timer is not armed: on a CPU clock, which is younger than the timer, and where
    /// another signal of its number waits, which would be taken in place of it.
    func arm(_ process: StubProcess) throws(RestoreError) -> Bool {
        // Only who is told can take it.
        let place = timer.notifyThread.flatMap { told in
            process.image.threads.firstIndex { $0.tid.rawValue == told }
        }
        let thread = process.threads[place ?? 0]
        let interval = Self.nanoseconds(timer.intervalSeconds, timer.intervalNanoseconds)
        let left = Self.nanoseconds(timer.valueSeconds, timer.valueNanoseconds)
        let isOfCPU = Int32(bitPattern: timer.clock) < 0
        guard let interval, let left, interval > 0, !isOfCPU, try !isWaiting(thread),
            let begin = begin(try now(thread), left: left, interval: interval)
        else { return false }
        let value = try thread.put(
            (timer.intervalSeconds, timer.intervalNanoseconds, begin / Self.second, begin % Self.second))
        let absolute = 1
        try thread.call("timer_settime", CP_SYS_timer_settime, Int(timer.id), absolute, value, 0)
        let set = try thread.put(UInt64(1) << UInt64(timer.signal - 1))
        let patience = try thread.put((Int64(5), Int64(0)), at: 64)
        try thread.call("rt_sigtimedwait", CP_SYS_rt_sigtimedwait, set, 0, patience, 8)
        return true
    }

    private func begin(_ now: Int64, left: Int64, interval: Int64) -> Int64? {
        let (passed, isTooLong) = (Int64(timer.overrun) + 1).multipliedReportingOverflow(by: interval)
        if isTooLong { return nil }
        let begin = now.addingReportingOverflow(left).partialValue.subtractingReportingOverflow(passed)
        return begin.overflow || begin.partialValue < 0 ? nil : begin.partialValue
    }

    private func now(_ thread: StubThread) throws(RestoreError) -> Int64 {
        let place = try thread.put((Int64(0), Int64(0)))
        try thread.call("clock_gettime", CP_SYS_clock_gettime, Int(timer.clock), place)
        let time = try thread.scratchValue(at: 0, as: (Int64, Int64).self)
        return time.0 * Self.second + time.1
    }

    private func isWaiting(_ thread: StubThread) throws(RestoreError) -> Bool {
        guard (1...64).contains(timer.signal) else { return true }
        let place = try thread.put(UInt64(0))
        try thread.call("rt_sigpending", CP_SYS_rt_sigpending, place, 8)
        return try thread.scratchValue(at: 0, as: UInt64.self) >> UInt64(timer.signal - 1) & 1 == 1
    }

    private static func nanoseconds(_ seconds: UInt64, _ rest: UInt64) -> Int64? {
        let (whole, isTooLong) = Int64(clamping: seconds).multipliedReportingOverflow(by: second)
        let (sum, isMore) = whole.addingReportingOverflow(Int64(clamping: rest))
        return isTooLong || isMore ? nil : sum
    }
}
