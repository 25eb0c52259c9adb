import CPlatform

/// Transfers by pipes and stream sockets that a stop would cut short.
///
/// A blocked write(2) of more than a pipe takes at once has mostly written a part already, and returns that part when
/// its thread is stopped (fs/pipe.c, anon_pipe_write: signal_pending() after some bytes), where without the stop it would
/// have gone on. So does a send into a full stream socket, and recv(2) with MSG_WAITALL that has a part. The registers
/// cannot mend that, so a dump waits a moment for a better one.
enum Transfers {
    /// A transfer that returned less than it was asked for.
    struct Cut: Equatable, Sendable, CustomStringConvertible {
        var pid: PID
        var tid: TID
        var fd: Int32
        var isRead = false
        var isSocket = false
        /// Bytes.
        var done: UInt64
        var wanted: UInt64

        /// `write of 70000 bytes into a pipe`
        var what: String {
            let direction = isRead ? "read of \(wanted) bytes from" : "write of \(wanted) bytes into"
            return "\(direction) a \(isSocket ? "socket" : "pipe")"
        }
        var description: String { "thread \(tid): its \(what) at fd \(fd) was cut short after \(done)" }
    }

    /// How long to wait for a moment in which no thread is amid such a write.
    static let patience: UInt64 = 300

    /// Writes of no more than PIPE_BUF bytes are done whole or not at all; pipe(7).
    private static let atomic: UInt64 = 4096

    private static let waitAll: UInt64 = 0x100

    /// Returns when no thread of the tree is amid such a transfer, or after `patience` milliseconds.
    static func awaitGoodMoment(_ snapshot: Snapshot, patience: UInt64 = Transfers.patience) {
        let threads = snapshot.tasks.flatMap { task in
            task.threads.map { (task: task, tid: $0.tid) }
        }.filter { !streams(of: $0.task, snapshot).isEmpty }
        let deadline = Deadline.after(milliseconds: patience)
        var backoff = Backoff()
        while threads.contains(where: { isAmidTransfer($0.task, $0.tid, snapshot) }), !deadline.hasPassed {
            backoff.pause()
        }
    }

    /// The transfers that the stop of this tree cut short.
    static func cut(_ processes: [FrozenProcess], _ snapshot: Snapshot) -> [Cut] {
        var found: [Cut] = []
        for process in processes {
            guard let task = snapshot.task(process.pid) else { continue }
            let streams = streams(of: task, snapshot)
            if streams.isEmpty { continue }
            for thread in process.threads {
                let registers = thread.stoppedRegisters
                let fd = Int32(truncatingIfNeeded: registers.di)
                guard let isSocket = streams[fd],
                    let isRead = direction(registers.origAx, flags: registers.r10, isSocket: isSocket),
                    registers.ax > 0, registers.ax < registers.dx
                else { continue }
                var cut = Cut(
                    pid: process.pid, tid: thread.tid, fd: fd, done: registers.ax, wanted: registers.dx)
                (cut.isRead, cut.isSocket) = (isRead, isSocket)
                found.append(cut)
            }
        }
        return found
    }

    /// Whether a call reads to the last byte, or writes; nil for any other. Descriptor, buffer and length are its first
    /// three arguments, and flags the fourth of those for sockets.
    private static func direction(_ call: UInt64, flags: UInt64, isSocket: Bool) -> Bool? {
        switch call {
        case UInt64(CP_SYS_write): false
        case UInt64(CP_SYS_sendto) where isSocket: false
        case UInt64(CP_SYS_recvfrom) where isSocket && flags & waitAll != 0: true
        default: nil
        }
    }

    private static func isAmidTransfer(_ task: TaskFacts, _ tid: TID, _ snapshot: Snapshot) -> Bool {
        guard let (number, arguments) = TaskList.call(task.pid, tid), arguments.count >= 4,
            let isSocket = streams(of: task, snapshot)[Int32(truncatingIfNeeded: arguments[0])],
            let isRead = direction(number, flags: arguments[3], isSocket: isSocket)
        else { return false }
        return isRead ? arguments[2] > 1 : arguments[2] > atomic
    }

    /// Descriptors of a task that lead to pipes that can be written (false), or to stream sockets (true).
    private static func streams(of task: TaskFacts, _ snapshot: Snapshot) -> [Int32: Bool] {
        var found: [Int32: Bool] = [:]
        let stream: UInt32 = 1
        for descriptor in task.descriptors {
            let file = snapshot[descriptor.file]
            if file.canWrite && file.link.hasPrefix("pipe:[") {
                found[descriptor.fd] = false
            } else if file.link.hasPrefix("socket:["), snapshot.sockets[file.inode]?.type == stream {
                found[descriptor.fd] = true
            }
        }
        return found
    }
}
