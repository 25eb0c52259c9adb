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
    ///
    /// `root` is who gets the signals; it is our child, or that of a process that ends for it.
    /// A `terminal` that was handed to the tree comes back when the root ends or stops; we stop with it, so that the shell
    /// takes over, and hand it on again when the shell continues us.
    package static func wait(
        for child: PID, root: PID, terminal: TerminalHandover? = nil
    ) throws(Errno) -> End {
        var set = waiting()
        defer { if let terminal { try? terminal.takeBack() } }
        while true {
            switch try reap(child) {
            case .ended(let end): return end
            case .stopped:
                guard let terminal, terminal.isSeparate else { break }
                try? terminal.takeBack()
                raise(SIGSTOP)
                if terminal.isOurs { try? terminal.give() }
                _ = kill(-terminal.group, SIGCONT)
                continue
            case .runs: break
            }
            var info = siginfo_t()
            let signal = sigwaitinfo(&set, &info)
            if signal <= 0 || signal == SIGCHLD { continue }
            // What the terminal sends to our group, the tree in the same group has got as well.
            let fromKernel: Int32 = 0x80
            if info.si_code == fromKernel, getpgid(root.rawValue) == getpgrp() { continue }
            _ = kill(root.rawValue, signal)
        }
    }

    private enum Look {
        case runs
        case stopped
        case ended(End)
    }

    private static func waiting() -> sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in forwarded + [SIGCHLD] { sigaddset(&set, signal) }
        return set
    }

    private static func reap(_ child: PID) throws(Errno) -> Look {
        while true {
            var status: Int32 = 0
            let found = try withUnsafeMutablePointer(to: &status) { (pointer) throws(Errno) -> Int in
                let options = Int(WNOHANG | WUNTRACED)
                return try systemCall(CP_SYS_wait4, -1, Int(bitPattern: pointer), options)
            }
            if found == 0 { return .runs }
            guard found == Int(child.rawValue) else { continue }
            switch WaitStatus(status) {
            case .exited(let code): return .ended(.exited(code: code))
            case .killed(let signal): return .ended(.killed(signal: signal))
            case .signalStop, .groupStop: return .stopped
            case .systemCallStop, .interruptStop, .event, .continued: continue
            }
        }
    }
}
