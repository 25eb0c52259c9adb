import CPlatform

/// Writes into pipes that a stop would cut short.
///
/// A blocked write(2) of more than a pipe takes at once has mostly written a part already, and returns that part when
/// its thread is stopped (fs/pipe.c, anon_pipe_write: signal_pending() after some bytes), where without the stop it would
/// have gone on. The registers cannot mend that, so a dump waits a moment for a better one.
enum Transfers {
    /// A write that returned less than it was asked for.
    struct Cut: Equatable, Sendable, CustomStringConvertible {
        var pid: PID
        var tid: TID
        var fd: Int32
        /// Bytes.
        var done: UInt64
        var wanted: UInt64

        var description: String {
            "thread \(tid): its write of \(wanted) bytes into the pipe at fd \(fd) was cut short after \(done)"
        }
    }

    /// How long to wait for a moment in which no thread is amid such a write.
    static let patience: UInt64 = 300

    /// Writes of no more than PIPE_BUF bytes are done whole or not at all; pipe(7).
    private static let atomic: UInt64 = 4096

    /// Returns when no thread of the tree is amid a long write into a pipe, or after `patience` milliseconds.
    static func awaitGoodMoment(_ snapshot: Snapshot, patience: UInt64 = Transfers.patience) {
        let threads = snapshot.tasks.flatMap { task in
            task.threads.map { (task: task, tid: $0.tid) }
        }.filter { !pipes(of: $0.task, snapshot).isEmpty }
        let deadline = Deadline.after(milliseconds: patience)
        var backoff = Backoff()
        while threads.contains(where: { isAmidWrite($0.task, $0.tid, snapshot) }), !deadline.hasPassed {
            backoff.pause()
        }
    }

    /// The writes that the stop of this tree cut short.
    static func cut(_ processes: [FrozenProcess], _ snapshot: Snapshot) -> [Cut] {
        var found: [Cut] = []
        for process in processes {
            guard let task = snapshot.task(process.pid) else { continue }
            let pipes = pipes(of: task, snapshot)
            if pipes.isEmpty { continue }
            for thread in process.threads {
                let registers = thread.stoppedRegisters
                let fd = Int32(truncatingIfNeeded: registers.di)
                guard registers.origAx == UInt64(CP_SYS_write), pipes.contains(fd), registers.ax > 0,
                    registers.ax < registers.dx
                else { continue }
                found.append(
                    Cut(pid: process.pid, tid: thread.tid, fd: fd, done: registers.ax, wanted: registers.dx))
            }
        }
        return found
    }

    private static func isAmidWrite(_ task: TaskFacts, _ tid: TID, _ snapshot: Snapshot) -> Bool {
        guard let (number, arguments) = TaskList.call(task.pid, tid), arguments.count >= 3,
            number == UInt64(CP_SYS_write), arguments[2] > atomic
        else { return false }
        return pipes(of: task, snapshot).contains(Int32(truncatingIfNeeded: arguments[0]))
    }

    /// Descriptors of a task that pipes can be written by.
    private static func pipes(of task: TaskFacts, _ snapshot: Snapshot) -> Set<Int32> {
        Set(
            task.descriptors.filter {
                let file = snapshot[$0.file]
                return file.canWrite && file.link.hasPrefix("pipe:[")
            }.map(\.fd))
    }
}
