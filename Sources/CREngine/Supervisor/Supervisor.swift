import CPlatform
import Glibc

/// The process beside a worker that acts when the worker dies: `crplan internal supervise`.
///
/// It does nothing while the worker lives. It is in a session of its own, so a Ctrl-C on the terminal reaches the
/// worker and not it. It ends when the worker has ended in order, or after it has undone what the worker left.
package struct Supervisor: ~Copyable {
    private let worker: OwnedFD
    private let journal: UndoJournal
    private let notes: UndoNotes

    /// Descriptors that were inherited: a pidfd of the worker, the journal and its notes.
    package init(workerPidfd: Int32, journal: Int32, notes: Int32) {
        worker = OwnedFD(taking: workerPidfd)
        self.journal = UndoJournal(inherited: journal)
        self.notes = UndoNotes(inherited: notes)
    }

    /// Tells the worker through `ready` that it is there, waits for the worker's end, and undoes.
    ///
    /// Returns what could not be undone.
    package consuming func run(ready: consuming OwnedFD) -> [String] {
        setsid()
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGPIPE] { _ = ignoreSignal(signal) }
        do throws(Errno) {
            do throws(Errno) {
                try ready.writeAll([1])
            } catch {
                // A worker that has ended already, as one does whose tree was refused, is told of by its pidfd.
                if error != .brokenPipe { throw error }
            }
            _ = consume ready
            var poller = pollfd(fd: worker.rawValue, events: Int16(POLLIN), revents: 0)
            try withUnsafeMutablePointer(to: &poller) { (pointer) throws(Errno) -> Void in
                try systemCall(CP_SYS_poll, Int(bitPattern: pointer), 1, -1)
            }
            switch try journal.phase() {
            case .done: return []
            case .killing: return try finishKilling()
            case .examining: break
            }
        } catch {
            return ["the supervisor cannot watch its worker: \(error)"]
        }
        cp_rescue_install()
        return NoteUndo.run(notes)
            + TreeUndo(faults: FaultPoints(variable: "CRPLAN_SUPERVISOR_STOP_AT")).run(journal)
    }

    /// The checkpoint is durable: a tree of which a part is dead must not go on.
    private func finishKilling() throws(Errno) -> [String] {
        for (_, record) in try journal.records() {
            guard let stat = TaskList.stat(record.pid, record.pid.leader), stat.startTime == record.startTime
            else {
                continue
            }
            _ = cp_syscall(CP_SYS_kill, Int(record.pid.rawValue), 9, 0, 0, 0, 0)
        }
        return []
    }

    private func ignoreSignal(_ number: Int32) -> Int32 {
        signal(number, SIG_IGN)
        return number
    }
}
