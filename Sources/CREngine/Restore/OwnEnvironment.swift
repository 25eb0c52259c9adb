import CPlatform
import Glibc

/// What we change about ourselves while a tree is restored, put back at the end.
///
/// Tracer and tasks on one CPU make each remote system call seven times faster, so we bind ourselves to one and the
/// tasks inherit it. The limit of open files is raised, as every file of the tree is open here. Signals that would
/// end us wait, so that temporary names do not stay behind.
struct OwnEnvironment: ~Copyable {
    let affinity: [UInt64]
    private var oldFileLimit: (UInt64, UInt64) = (0, 0)
    private var oldMask = sigset_t()

    init() throws(RestoreError) {
        let ours = TID(Int32(cp_syscall(CP_SYS_gettid, 0, 0, 0, 0, 0, 0)))
        let (affinity, limit) = try RestoreError.about("this process", "cannot be bound to one CPU") {
            () throws(Errno) in
            let before = try Affinity.get(ours)
            let cpu = Int(sched_getcpu())
            var one = [UInt64](repeating: 0, count: before.count)
            if one.indices.contains(cpu / 64) {
                one[cpu / 64] = 1 << UInt64(cpu % 64)
                try Affinity.set(ours, one)
            }
            return (before, try Self.raiseFileLimit())
        }
        self.affinity = affinity
        oldFileLimit = limit
        var waiting = sigset_t()
        sigemptyset(&waiting)
        for signal in Self.endingSignals { sigaddset(&waiting, signal) }
        pthread_sigmask(SIG_BLOCK, &waiting, &oldMask)
    }

    deinit {
        let ours = TID(Int32(cp_syscall(CP_SYS_gettid, 0, 0, 0, 0, 0, 0)))
        _ = try? Affinity.set(ours, affinity)
        var limit = oldFileLimit
        withUnsafeMutablePointer(to: &limit) { pointer in
            _ = cp_syscall(CP_SYS_prlimit64, 0, 7, Int(bitPattern: pointer), 0, 0, 0)
        }
        var mask = oldMask
        pthread_sigmask(SIG_SETMASK, &mask, nil)
    }

    /// Runs a body, which starts programs, with the affinity and the limit that we had.
    func asBefore(_ body: () throws(RestoreError) -> Void) throws(RestoreError) {
        let ours = TID(Int32(cp_syscall(CP_SYS_gettid, 0, 0, 0, 0, 0, 0)))
        let present = try? Affinity.get(ours)
        _ = try? Affinity.set(ours, affinity)
        var limit = oldFileLimit
        var raised: (UInt64, UInt64) = (0, 0)
        withUnsafeMutablePointer(to: &limit) { old in
            withUnsafeMutablePointer(to: &raised) { new in
                _ = cp_syscall(
                    CP_SYS_prlimit64, 0, 7, Int(bitPattern: old), Int(bitPattern: new), 0, 0)
            }
        }
        defer {
            if let present { _ = try? Affinity.set(ours, present) }
            withUnsafeMutablePointer(to: &raised) { pointer in
                _ = cp_syscall(CP_SYS_prlimit64, 0, 7, Int(bitPattern: pointer), 0, 0, 0)
            }
        }
        try body()
    }

    /// The signal that asks us to end, if one waits.
    static func endingSignal() -> Int32? {
        var pending = sigset_t()
        sigpending(&pending)
        return endingSignals.first { sigismember(&pending, $0) == 1 }
    }

    private static var endingSignals: [Int32] { [SIGINT, SIGTERM, SIGHUP, SIGQUIT] }

    private static func raiseFileLimit() throws(Errno) -> (UInt64, UInt64) {
        var old: (UInt64, UInt64) = (0, 0)
        try withUnsafeMutablePointer(to: &old) { (pointer) throws(Errno) -> Void in
            try systemCall(CP_SYS_prlimit64, 0, 7, 0, Int(bitPattern: pointer))
        }
        var raised = (old.1, old.1)
        try withUnsafeMutablePointer(to: &raised) { (pointer) throws(Errno) -> Void in
            try systemCall(CP_SYS_prlimit64, 0, 7, Int(bitPattern: pointer))
        }
        return old
    }
}
