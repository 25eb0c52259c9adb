import CPlatform
import Glibc

/// The last state that a task gets before it is let go: registers, extended registers, signal mask.
enum FinalState {
    /// No system call can be made in the thread after this.
    static func set(_ thread: StubThread, _ image: ThreadImage) throws(RestoreError) {
        let subject = "task \(thread.tid)"
        try RestoreError.about(subject, "its extended registers cannot be set") { () throws(Errno) -> Void in
            if image.xsave.isEmpty { return }
            let area = fitted(image.xsave, to: try Ptrace.extendedState(thread.tid).count)
            try Ptrace.setExtendedState(thread.tid, area)
        }
        try RestoreError.about(subject, "its registers cannot be set") { () throws(Errno) -> Void in
            try Ptrace.setRegisters(thread.tid, restarted(image.registers))
            try Ptrace.setSignalMask(thread.tid, image.signalMask)
        }
    }

    /// The kernel takes an area of exactly its own size. A short one is the legacy part alone.
    static func fitted(_ area: [UInt8], to size: Int) -> [UInt8] {
        var result = Array(area.prefix(size))
        result += [UInt8](repeating: 0, count: size - result.count)
        let bitmap = 512
        if area.count < bitmap + 8 && size >= bitmap + 8 { result[bitmap] = 3 }
        return result
    }

    /// Does the kernel's restart of an interrupted system call, which a new task has no state for.
    ///
    /// The values are the negative of ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND and ERESTART_RESTARTBLOCK; the
    /// last restarts from the beginning, which is what a call without saved state can do. See kernel/signal.c.
    static func restarted(_ registers: RegisterImage) -> RegisterImage {
        var result = registers
        let isInCall = Int64(bitPattern: registers.origAx) >= 0
        if isInCall, [-512, -513, -514, -516].contains(Int64(bitPattern: registers.ax)) {
            result.ip -= 2
            result.ax = registers.origAx
        }
        result.origAx = .max
        return result
    }
}

/// Leaves tasks in the stopped state.
enum StopRequest {
    /// Lets go of a whole process so that it comes to stand before its first instruction, and waits until it does.
    static func detachStopped(_ process: StubProcess) throws(RestoreError) {
        let subject = "task \(process.pid)"
        try RestoreError.about(subject, "cannot be left stopped") { () throws(Errno) -> Void in
            try systemCall(CP_SYS_kill, Int(process.pid.rawValue), 19)
            for thread in process.threads { try Ptrace.setOptions(thread.tid, 0) }
            // The leader takes the signal; the others join its stop when they are let go.
            for thread in process.threads {
                try Ptrace.detach(thread.tid)
                try awaitStop(thread.tid)
            }
        }
    }

    private static func awaitStop(_ tid: TID) throws(Errno) {
        var start = timespec()
        clock_gettime(CLOCK_MONOTONIC, &start)
        while true {
            let state = ProcText.statField(tid.rawValue, 3)
            if state == "T" { return }
            if state == nil || state == "Z" { throw .noProcess }
            var now = timespec()
            clock_gettime(CLOCK_MONOTONIC, &now)
            if now.tv_sec - start.tv_sec > 5 { throw .timedOut }
            sched_yield()
        }
    }
}
