import CPlatform
import Glibc

/// The parent of a restored tree that was not detached: passes signals on and ends as the root does.
package enum AttachedRoot {
    /// What became of the root.
    package enum End: Equatable, Sendable {
        case exited(code: Int32)
        case killed(signal: Int32)
    }

    /// Signals that a person or a supervisor sends to whoever stands for the tree.
    private static let forwarded = [
        SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT, SIGALRM,
    ]

    /// Blocks those signals; to be called before the restore, so that none is lost between it and `wait`.
    package static func prepare() {
        var set = waiting()
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    /// Waits for the root's end. Other children that come to us, as orphans of the tree, are reaped.
    package static func wait(for root: PID) throws(Errno) -> End {
        var set = waiting()
        while true {
            if let end = try reap(root) { return end }
            var signal: Int32 = 0
            if sigwait(&set, &signal) != 0 { continue }
            if signal != SIGCHLD { _ = kill(root.rawValue, signal) }
        }
    }

    private static func waiting() -> sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in forwarded + [SIGCHLD] { sigaddset(&set, signal) }
        return set
    }

    private static func reap(_ root: PID) throws(Errno) -> End? {
        while true {
            var status: Int32 = 0
            let found = try withUnsafeMutablePointer(to: &status) { (pointer) throws(Errno) -> Int in
                let noHang = 1
                return try systemCall(CP_SYS_wait4, -1, Int(bitPattern: pointer), noHang)
            }
            if found == 0 { return nil }
            guard found == Int(root.rawValue) else { continue }
            switch WaitStatus(status) {
            case .exited(let code): return .exited(code: code)
            case .killed(let signal): return .killed(signal: signal)
            case .signalStop, .systemCallStop, .interruptStop, .groupStop, .event, .continued: continue
            }
        }
    }
}
