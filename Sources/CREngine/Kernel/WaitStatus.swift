import CPlatform
import Glibc

/// The status word of wait4(2), decoded once.
package enum WaitStatus: Equatable, Sendable {
    case exited(code: Int32)
    case killed(signal: Int32)
    /// Stopped before a signal is delivered.
    case signalStop(signal: Int32)
    /// Entry to or exit from a system call, with PTRACE_O_TRACESYSGOOD.
    case systemCallStop
    /// PTRACE_EVENT_STOP after an interrupt or at the start of a task that was attached by its creation.
    case interruptStop
    /// Stopped by job control with this signal, as a seized task reports it.
    case groupStop(signal: Int32)
    /// PTRACE_EVENT_FORK, VFORK, CLONE, EXEC and the like.
    case event(Int32)
    case continued

    package init(_ status: Int32) {
        let low = status & 0x7f
        if status == 0xffff {
            self = .continued
        } else if low == 0 {
            self = .exited(code: (status >> 8) & 0xff)
        } else if low != 0x7f {
            self = .killed(signal: low)
        } else {
            let signal = (status >> 8) & 0xff
            switch (status >> 16, signal) {
            case (0, 5 | 0x80): self = .systemCallStop
            case (0, _): self = .signalStop(signal: signal)
            case (Int32(CP_PTRACE_EVENT_STOP), 5): self = .interruptStop
            case (Int32(CP_PTRACE_EVENT_STOP), _): self = .groupStop(signal: signal)
            case (let event, _): self = .event(event)
            }
        }
    }

    /// True when the task is gone.
    package var isEnd: Bool {
        switch self {
        case .exited, .killed: true
        default: false
        }
    }
}

/// Waits for one child or tracee.
package enum Wait {
    /// Blocks until this thread or child changes state. Throws ECHILD when it is neither.
    package static func one(_ tid: TID) throws(Errno) -> WaitStatus {
        try WaitStatus(wait(tid, options: wall).status)
    }

    /// Looks without blocking; nil when nothing has changed.
    package static func poll(_ tid: TID) throws(Errno) -> WaitStatus? {
        let result = try wait(tid, options: wall | 1)
        return result.found == 0 ? nil : WaitStatus(result.status)
    }

    /// Waits until all of these have ended, in whatever order they do: the init of a pid namespace, and the last thread of
    /// it, end only when everybody else in it is gone and was waited for. Others than our children are passed over.
    package static func untilEnded(_ tids: some Sequence<TID>) {
        var left = Array(tids)
        while true {
            let before = left.count
            left.removeAll { tid in
                do throws(Errno) {
                    guard let status = try poll(tid) else { return false }
                    if status.isEnd { return true }
                    try Ptrace.resume(tid)
                    return false
                } catch {
                    return true
                }
            }
            if left.isEmpty { return }
            if left.count == before { usleep(100) }
        }
    }

    private static let wall = 0x4000_0000

    private static func wait(_ tid: TID, options: Int) throws(Errno) -> (found: Int, status: Int32) {
        var status: Int32 = 0
        let found = try withUnsafeMutablePointer(to: &status) { (pointer) throws(Errno) -> Int in
            try systemCall(CP_SYS_wait4, Int(tid.rawValue), Int(bitPattern: pointer), options)
        }
        return (found, status)
    }
}
