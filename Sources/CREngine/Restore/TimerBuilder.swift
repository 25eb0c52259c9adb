import CPlatform

/// Interval timers and POSIX timers of a process. Made early, armed late: they run from the moment they are armed.
enum TimerBuilder {
    /// timer_create(2) with the old ids. Linux 6.15 takes the id as a wish; before that, ids are used up in turn.
    static func makePosixTimers(_ thread: StubThread, _ image: ProcessImage) throws(RestoreError) {
        if image.posixTimers.isEmpty { return }
        let restoreIDs = 77
        let on = 1
        var takesIDs = false
        if case .success = try thread.attempt("prctl", CP_SYS_prctl, restoreIDs, on, 0, 0, 0) {
            takesIDs = true
        }
        for timer in image.posixTimers.sorted(by: { $0.id < $1.id }) {
            while true {
                let event = try thread.put(
                    (
                        timer.sigval, Int32(bitPattern: timer.signal), Int32(bitPattern: timer.notify),
                        timer.notifyThread ?? 0, Int32(0)
                    ))
                let id = try thread.put(takesIDs ? Int32(bitPattern: timer.id) : -1, at: 128)
                try thread.call("timer_create", CP_SYS_timer_create, Int(timer.clock), event, id)
                let got = UInt32(bitPattern: try thread.scratchValue(at: 128, as: Int32.self))
                if got == timer.id { break }
                try thread.call("timer_delete", CP_SYS_timer_delete, Int(got))
                if got > timer.id {
                    throw RestoreError(
                        "task \(thread.tid)", "POSIX timer \(timer.id) cannot get its id again")
                }
            }
        }
        if takesIDs {
            let off = 0
            try thread.call("prctl", CP_SYS_prctl, restoreIDs, off, 0, 0, 0)
        }
    }

    /// The ids of timers whose count of overruns is lost.
    static func arm(_ process: StubProcess, _ image: ProcessImage) throws(RestoreError) -> [UInt32] {
        let thread = process.leader
        var lost: [UInt32] = []
        let intervals = [image.realTimer, image.virtualTimer, image.profilingTimer]
        for (which, timer) in intervals.enumerated() where timer != IntervalTimerImage() {
            var (seconds, rest) = (timer.valueSeconds, timer.valueMicroseconds)
            // ITIMER_REAL waits for its signal to be taken; the others are at rest so.
            if which == 0 && seconds == 0 && rest == 0 {
                (seconds, rest) = (timer.intervalSeconds, timer.intervalMicroseconds)
            }
            let value = try thread.put((timer.intervalSeconds, timer.intervalMicroseconds, seconds, rest))
            try thread.call("setitimer", CP_SYS_setitimer, which, value, 0)
        }
        for timer in image.posixTimers {
            if timer.valueSeconds == 0 && timer.valueNanoseconds == 0 { continue }
            if timer.overrun != 0 {
                if try PassedTimer(timer).arm(process) { continue }
                lost.append(timer.id)
            }
            let value = try thread.put(
                (timer.intervalSeconds, timer.intervalNanoseconds, timer.valueSeconds, timer.valueNanoseconds)
            )
            try thread.call("timer_settime", CP_SYS_timer_settime, Int(timer.id), 0, value, 0)
        }
        return lost
    }
}
