import CPlatform

/// Ends the stubs that stand for zombies, each the way that its image says.
enum ZombieEnding {
    /// Its parent, still a stub, sees it as a child that has ended and was not waited for; the SIGCHLD of it is
    /// taken away, as the image says which signals were pending.
    static func end(
        _ process: StubProcess, status: UInt32, parent: StubThread?
    ) throws(RestoreError) {
        let thread = process.leader
        let signal = Int32(status & 0x7f)
        do throws(Errno) {
            if signal == 0 {
                try exit(thread, code: Int(status >> 8) & 0xff)
            } else {
                try kill(thread, signal: signal)
            }
        } catch {
            throw RestoreError("task \(thread.tid)", "zombie cannot be ended as it was", errno: error)
        }
        if let parent { try ChildSignal.drain(parent) }
    }

    /// The call never returns, so it is started by hand.
    private static func exit(_ thread: StubThread, code: Int) throws(Errno) {
        var registers = thread.template
        registers.ip = thread.gadget.rawValue
        registers.ax = UInt64(CP_SYS_exit_group)
        registers.origAx = .max
        registers.di = UInt64(code)
        registers.sp = 0
        try Ptrace.setRegisters(thread.tid, registers)
        try Ptrace.resume(thread.tid)
        while try !Wait.one(thread.tid).isEnd { try Ptrace.resume(thread.tid) }
    }

    private static func kill(_ thread: StubThread, signal: Int32) throws(Errno) {
        let pid = Int(thread.tid.rawValue)
        // No core file, whatever the signal.
        var noCore: (UInt64, UInt64) = (0, 0)
        try withUnsafeMutablePointer(to: &noCore) { (pointer) throws(Errno) -> Void in
            try systemCall(CP_SYS_prlimit64, pid, 4, Int(bitPattern: pointer))
        }
        try Ptrace.setSignalMask(thread.tid, 0)
        try systemCall(CP_SYS_kill, pid, Int(signal))
        // SIGKILL does not wait for us to let the task run.
        if signal != 9 { try Ptrace.resume(thread.tid) }
        while true {
            switch try Wait.one(thread.tid) {
            case .exited, .killed: return
            case .signalStop(let pending): try Ptrace.resume(thread.tid, signal: pending)
            case .systemCallStop, .interruptStop, .groupStop, .event, .continued:
                try Ptrace.resume(thread.tid)
            }
        }
    }
}
