import Glibc

/// Processes held by pidfd, so that a number cannot come to mean another process.
package struct HeldProcesses: ~Copyable {
    private var descriptors: [PID: Int32] = [:]

    package init() {}

    deinit { for fd in descriptors.values { close(fd) } }

    /// Takes hold of a process. False where it has gone, or its number belongs to another one already.
    package mutating func hold(_ process: ProcessFacts) -> Bool {
        if descriptors[process.pid] != nil { return true }
        guard let held = try? PidFD.open(process.pid) else { return false }
        // Only a look after the pidfd was taken is a look at the process that it holds.
        guard let now = try? ProcessLife.of(process.pid), now.startTime == process.startTime else {
            return false
        }
        descriptors[process.pid] = held.release()
        return true
    }

    /// Whether a held process still runs; a zombie does not.
    package borrowing func isRunning(_ pid: PID) -> Bool {
        guard let fd = descriptors[pid] else { return false }
        var request = pollfd(fd: fd, events: Int16(POLLIN), revents: 0)
        return poll(&request, 1, 0) == 0
    }
}
