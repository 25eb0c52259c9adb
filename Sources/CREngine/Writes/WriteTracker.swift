import CPlatform
import Glibc

/// Which pages the tasks of a tree have written since an earlier image set, as far as a holder kept watch.
///
/// Where there is no holder, or the kernel has no such watch, changed pages are told by their hashes.
package final class WriteTracker {
    /// One task's memory under watch.
    final class Watch {
        let protection: WriteProtection
        let startTime: UInt64
        /// Nothing was watched before this dump.
        let isFresh: Bool

        init(_ protection: consuming WriteProtection, startTime: UInt64, isFresh: Bool) {
            self.protection = protection
            self.startTime = startTime
            self.isFresh = isFresh
        }
    }

    /// Each takes a descriptor of ours as long as the dump lasts; the tasks beyond are told by hashes.
    private static let most = 256

    private let root: PID
    private let log: EngineLog
    private var holder: WriteHolder?
    /// Whether tasks without a watch get one: the tree runs on, and may be dumped again.
    private let isToWatch: Bool
    private var watches: [PID: Watch] = [:]
    /// The kernel has no such watch.
    private var isImpossible = false
    /// The image set since which writes are known; nil for none.
    let base: String?

    init(root: PID, runsOn: Bool, log: EngineLog) {
        self.root = root
        self.log = log
        isToWatch = runsOn
        holder = WriteHolder.find(root: root)
        switch holder {
        case .some(let holder):
            base = holder.isReliable ? holder.state.base : nil
            for task in holder.state.tasks {
                guard (try? ProcessLife.of(task.pid))??.startTime == task.startTime,
                    let descriptor = try? holder.descriptor(task)
                else { continue }
                watches[task.pid] = Watch(
                    WriteProtection(ready: descriptor), startTime: task.startTime, isFresh: false)
            }
        case .none: base = nil
        }
    }

    /// The tasks whose mappings are registered by us: a holder's.
    static func watched(root: PID) -> Set<PID> {
        switch WriteHolder.find(root: root) {
        case .some(let holder): Set(holder.state.tasks.map(\.pid))
        case .none: []
        }
    }

    func watch(_ pid: PID) -> Watch? { watches[pid] }

    /// The task has called execve(2): this watch is of memory that is gone.
    func drop(_ pid: PID) { watches[pid] = nil }

    func needsWatch(_ pid: PID) -> Bool {
        isToWatch && !isImpossible && watches[pid] == nil && watches.count < Self.most
    }

    /// Has a task make its userfaultfd, which is bound to who makes it, and takes that away from it. Where it cannot
    /// be had, the task is not watched.
    func begin(_ session: inout RemoteSession, _ process: FrozenProcess) throws(TraceError) {
        guard needsWatch(process.pid) else { return }
        let userModeOnly: UInt64 = 1
        let flags = UInt64(O_CLOEXEC | O_NONBLOCK) | userModeOnly
        let number: UInt64
        switch try session.call(CP_SYS_userfaultfd, flags) {
        case .success(let made): number = made
        case .failure(let error):
            log.info("Writes of process \(process.pid) are not watched, userfaultfd(2) answers \(error)")
            // At a limit of descriptors another task may still have room.
            if error.rawValue != EMFILE { isImpossible = true }
            return
        }
        let taken = Result { () throws(Errno) -> Watch in
            let pidfd = OwnedFD(
                taking: Int32(try systemCall(CP_SYS_pidfd_open, Int(process.pid.rawValue), 0)))
            let descriptor = OwnedFD(
                taking: Int32(try systemCall(CP_SYS_pidfd_getfd, Int(pidfd.rawValue), Int(number), 0)))
            return Watch(
                try WriteProtection(settingUp: descriptor), startTime: process.startTime, isFresh: true)
        }
        try session.require("close", CP_SYS_close, number)
        switch taken {
        case .success(let watch): watches[process.pid] = watch
        case .failure(let error):
            log.info("Writes of process \(process.pid) are not watched: \(error)")
            isImpossible = true
        }
    }

    /// Before the first page is taken as seen: what the holder has is of no use to another dump.
    func doubt() throws(DumpError) {
        do throws(Errno) {
            switch holder {
            case .some(let holder): try holder.doubt()
            case .none: break
            }
        } catch {
            throw .environment(
                "the process that notes writes of \(root) cannot be told of this dump: \(error)")
        }
    }

    /// Lets a new holder keep watch from this dump on, and ends the one before.
    func handOver(_ runID: String) {
        let state = WriteHolder.State(
            base: runID,
            tasks: watches.sorted { $0.key < $1.key }.map { pid, watch in
                .init(pid: pid, startTime: watch.startTime, descriptor: watch.protection.fd.rawValue)
            })
        do throws(Errno) {
            if isToWatch, !state.tasks.isEmpty { try WriteHolder.start(root: root, state) }
        } catch {
            log.info("Writes are not watched from now on: \(error)")
        }
        if let old = holder.take() { old.end() }
    }
}
