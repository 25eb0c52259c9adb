import Dispatch
import Glibc
import Synchronization

/// What the kernel keeps with the memory and the timers of a process and no file of /proc tells, or only at the price of a
/// walk through all page tables. Read by programs inside the kernel, which are made once a look.
package final class KernelNotes: Sendable {
    private struct Readers {
        var rings: AsyncRingReader?
        var policies: AreaPolicyReader?
        var descriptors: DescriptorNotesReader?
        var types: KernelTypes?
    }
    private let readers = Mutex<Readers?>(nil)
    /// Few programs have timers that it matters for, so this is made when it is asked for.
    private let timers = Mutex<TimerNotesReader??>(nil)
    private let threads = Mutex<ThreadNotesReader??>(nil)
    private let emptyMessages = Mutex<EmptyMessagesReader??>(nil)
    private let posixQueues = Mutex<PosixQueueReader??>(nil)
    /// Threads of one process from which on asking the kernel of them all costs less than asking each.
    private static let many = 8
    /// Descriptors of one process from which on the kernel is asked for all of their files.
    private static let manyDescriptors = 64

    package init() {}

    /// Begins to make the programs, which takes some milliseconds, beside what the caller does.
    package func begin() {
        DispatchQueue.global().async { [self] in _ = made() }
    }

    /// Returns when the programs are made that the tree needs: before it is frozen.
    package func prepare(for live: Snapshot) {
        _ = made()
        if live.tasks.contains(where: { $0.threads.count >= Self.many }) { _ = threadReader() }
    }

    /// Rings of io_setup(2) of a process with what is under way in them; nil where the kernel does not tell: it needs its
    /// own description (CONFIG_DEBUG_INFO_BTF), CAP_BPF and CAP_PERFMON.
    func rings(of pid: PID) -> [AsyncRing]? { try? made().rings?.rings(of: pid) }

    /// Areas with a memory policy of their own, by address; nil where the kernel does not tell.
    func policies(of pid: PID) -> [NodePolicy]? { try? made().policies?.policies(of: pid) }

    /// Timers of timer_create(2) of a process; nil where the kernel does not tell.
    func timers(of pid: PID) -> [TimerNote]? {
        timers.withLock { known in
            let reader = known ?? made().types.flatMap { try? TimerNotesReader($0) }
            known = .some(reader)
            return try? reader?.timers(of: pid)
        }
    }

    /// The address of each descriptor's open file; nil where the kernel does not tell, or so few are as soon compared.
    func openFiles(of pid: PID, count: Int) -> [Int32: UInt64]? {
        guard count >= Self.manyDescriptors else { return nil }
        return try? made().descriptors?.addresses(of: pid)
    }

    /// What the threads of a process keep; empty where the kernel does not tell, or there are few of them.
    func threads(of process: FrozenProcess) -> [TID: ThreadNote] {
        guard process.threads.count >= Self.many, let reader = threadReader() else { return [:] }
        return (try? reader.notes(of: process.pid)) ?? [:]
    }

    /// Empty messages in the queue of a socket of our own; nil where the kernel does not tell. Throws ENOBUFS where the
    /// queue has no end.
    func emptyMessages(of fd: Int32) throws(Errno) -> [EmptyMessage]? {
        try emptyMessages.withLock { (known) throws(Errno) in
            let reader =
                known
                ?? (Self.hasInitialNumbers ? made().types.flatMap { try? EmptyMessagesReader($0) } : nil)
            known = .some(reader)
            return try reader?.messages(of: fd)
        }
    }

    /// The POSIX message queue behind a descriptor; nil where the kernel does not tell.
    func posixQueue(of pid: PID, _ descriptor: Int32) -> PosixQueueNote? {
        let found = try? posixQueueReader()?.queues(
            of: pid, [descriptor], knowsTasks: Self.hasInitialNumbers)
        return found?[descriptor]
    }

    /// What waits in a queue that nobody uses meanwhile. Throws EIO where somebody does.
    func messages(of queue: PosixQueueNote) throws(Errno) -> [PosixQueueImage.Message] {
        guard let reader = posixQueueReader() else { throw .notSupported }
        return try reader.messages(of: queue)
    }

    private func posixQueueReader() -> PosixQueueReader? {
        posixQueues.withLock { known in
            if let known { return known }
            let made = made()
            let reader = made.types.flatMap { types in
                made.descriptors.flatMap { try? PosixQueueReader(types, $0) }
            }
            known = .some(reader)
            return reader
        }
    }

    private func threadReader() -> ThreadNotesReader? {
        threads.withLock { known in
            if let known { return known }
            let reader = Self.hasInitialNumbers ? made().types.flatMap { try? ThreadNotesReader($0) } : nil
            known = .some(reader)
            return reader
        }
    }

    /// Whether we are in the initial pid namespace (PROC_PID_INIT_INO of include/linux/proc_ns.h), so that our numbers of
    /// tasks are those that the kernel's programs see.
    private static var hasInitialNumbers: Bool {
        var facts = stat()
        return stat("/proc/self/ns/pid", &facts) == 0 && facts.st_ino == 0xeffffffc
    }

    private func made() -> Readers {
        readers.withLock { known in
            if let known { return known }
            var readers = Readers()
            if let types = try? KernelTypes() {
                readers.rings = try? AsyncRingReader(types)
                readers.policies = try? AreaPolicyReader(types)
                readers.descriptors = try? DescriptorNotesReader(types)
                readers.types = types
            }
            known = readers
            return readers
        }
    }
}
