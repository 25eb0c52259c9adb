import Dispatch
import Synchronization

/// What the kernel keeps with the memory and the timers of a process and no file of /proc tells, or only at the price of a
/// walk through all page tables. Read by programs inside the kernel, which are made once a look.
package final class KernelNotes: Sendable {
    private struct Readers {
        var rings: AsyncRingReader?
        var policies: AreaPolicyReader?
    }
    private let readers = Mutex<Readers?>(nil)
    /// Few programs have timers that it matters for, so this is made when it is asked for.
    private let timers = Mutex<TimerNotesReader??>(nil)

    package init() {}

    /// Begins to make the programs, which takes some milliseconds, beside what the caller does.
    package func begin() {
        DispatchQueue.global().async { [self] in _ = made() }
    }

    /// Returns when the programs are made: before the tree is frozen.
    package func prepare() { _ = made() }

    /// Rings of io_setup(2) of a process with what is under way in them; nil where the kernel does not tell: it needs its
    /// own description (CONFIG_DEBUG_INFO_BTF), CAP_BPF and CAP_PERFMON.
    func rings(of pid: PID) -> [AsyncRing]? { try? made().rings?.rings(of: pid) }

    /// Areas with a memory policy of their own, by address; nil where the kernel does not tell.
    func policies(of pid: PID) -> [NodePolicy]? { try? made().policies?.policies(of: pid) }

    /// Timers of timer_create(2) of a process; nil where the kernel does not tell.
    func timers(of pid: PID) -> [TimerNote]? {
        let reader = timers.withLock { known in
            if let known { return known }
            let made = (try? KernelTypes()).flatMap { try? TimerNotesReader($0) }
            known = .some(made)
            return made
        }
        return try? reader?.timers(of: pid)
    }

    private func made() -> Readers {
        readers.withLock { known in
            if let known { return known }
            var readers = Readers()
            if let types = try? KernelTypes() {
                readers.rings = try? AsyncRingReader(types)
                readers.policies = try? AreaPolicyReader(types)
            }
            known = readers
            return readers
        }
    }
}
