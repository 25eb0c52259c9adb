import CPlatform
import Glibc

/// What belongs to a process as a whole and is neither memory nor files: signals, timers, limits, flags.
enum ProcessBuilder {
    /// Dispositions of all signals; SIGCHLD comes last, as ignoring it changes how ended children are treated.
    static func setSignalActions(_ thread: StubThread, _ image: ProcessImage) throws(RestoreError) {
        let chld = 17
        let numbers = (1...64).filter { $0 != 9 && $0 != 19 }
        let actions = Array(zip(numbers, image.signalActions))
        for (signal, action) in actions.filter({ $0.0 != chld }) + actions.filter({ $0.0 == chld })
        where action != SignalActionImage() {
            let address = try thread.put(
                cp_kernel_sigaction(
                    handler: action.handler, flags: action.flags, restorer: action.restorer, mask: action.mask
                ))
            try thread.call("rt_sigaction", CP_SYS_rt_sigaction, signal, address, 0, 8)
        }
    }

    /// Signals that were pending; the task queues them to itself, as the kernel lets nobody else forge a sender.
    static func queueSignals(_ process: StubProcess, _ image: ProcessImage) throws(RestoreError) {
        let pid = Int(process.pid.rawValue)
        for info in image.pendingSignals {
            let address = try process.leader.put(info)
            try process.leader.call(
                "rt_sigqueueinfo", CP_SYS_rt_sigqueueinfo, pid, signalNumber(info), address)
        }
        for (thread, threadImage) in zip(process.threads, process.image.threads) {
            for info in threadImage.pendingSignals {
                let address = try thread.put(info)
                try thread.call(
                    "rt_tgsigqueueinfo", CP_SYS_rt_tgsigqueueinfo, pid, Int(threadImage.tid.rawValue),
                    signalNumber(info), address)
            }
        }
    }

    /// True when SIGCHLD is among the signals that were pending.
    static func hasPendingChildSignal(_ task: TaskImage) -> Bool {
        let all = (task.process?.pendingSignals ?? []) + task.threads.flatMap(\.pendingSignals)
        return all.contains { signalNumber($0) == 17 }
    }

    /// si_signo of a raw siginfo_t.
    static func signalNumber(_ info: [UInt8]) -> Int {
        (0..<4).reduce(0) { $0 | Int(info[$1]) << (8 * $1) }
    }

    /// prctl(2) flags, personality and membarrier registrations.
    static func setFlags(_ process: StubProcess, _ image: ProcessImage) throws(RestoreError) {
        let thread = process.leader
        // CRIU reads the hexadecimal text of /proc/PID/personality as a decimal number.
        guard let personality = Int(String(image.personality), radix: 16) else {
            throw RestoreError("task \(process.pid)", "its personality \(image.personality) is no number")
        }
        try thread.call("personality", CP_SYS_personality, personality)
        if image.mergesMemory == true { try thread.call("prctl", CP_SYS_prctl, 67, 1) }
        if let locks = image.futureLocks { try thread.call("mlockall", CP_SYS_mlockall, Int(locks)) }
        if let denial = image.deniesWriteExecute { try thread.call("prctl", CP_SYS_prctl, 65, Int(denial)) }
        if image.childSubreaper == true { try thread.call("prctl", CP_SYS_prctl, 36, 1) }
        for bit in 0..<32 where (image.membarrierRegistrations ?? 0) >> UInt32(bit) & 1 == 1 {
            try thread.call("membarrier", CP_SYS_membarrier, 1 << bit, 0, 0)
        }
        if let filter = image.coredumpFilter {
            let path = "/proc/\(process.host)/coredump_filter"
            try RestoreError.about(path, "0x\(String(filter, radix: 16)) cannot be set") {
                () throws(Errno) -> Void in try ProcText.write(path, "0x" + String(filter, radix: 16))
            }
        }
        if let adjust = image.oomScoreAdjust {
            let path = "/proc/\(process.host)/oom_score_adj"
            try RestoreError.about(path, "\(adjust) cannot be set") { () throws(Errno) -> Void in
                let now = try ProcText.read(path).prefix { $0 != "\n" }
                if now != "\(adjust)" { try ProcText.write(path, "\(adjust)") }
            }
        }
    }

    /// prlimit(2), while the task still has our ids, so that no privilege is needed for it.
    ///
    /// The limit of descriptors stays above `lender` until `DescriptorLimit.settle`.
    static func setLimits(_ process: StubProcess, _ image: ProcessImage, lender: Int32) throws(RestoreError) {
        for (resource, final) in image.limits.enumerated() {
            let limit =
                resource == DescriptorLimit.resource
                ? DescriptorLimit.whilePlacing(final, lender: lender) : final
            // CRIU accepts a soft limit above the hard one and lowers it.
            var pair = (min(limit.soft, limit.hard), limit.hard)
            try RestoreError.about("task \(process.pid)", "limit \(resource) cannot be set to \(limit.hard)")
            {
                () throws(Errno) -> Void in
                try withUnsafeMutablePointer(to: &pair) { (pointer) throws(Errno) -> Void in
                    try systemCall(
                        CP_SYS_prlimit64, Int(process.host.rawValue), resource, Int(bitPattern: pointer))
                }
            }
        }
    }
}
