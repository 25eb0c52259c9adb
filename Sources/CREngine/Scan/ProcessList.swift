import CPlatform
import Glibc

/// What a matcher may ask of a process.
package struct ProcessFacts: Equatable, Sendable {
    package var pid: PID
    package var parent: PID
    /// Clock ticks after boot.
    package var startTime: UInt64
    package var comm: String
    /// Resolved, without ` (deleted)`; nil where the kernel does not show it.
    package var exe: String?
    package var arguments: [String]
    /// Effective.
    package var user: UInt32
    package var group: UInt32
    package var isKernelThread: Bool
    package var isZombie: Bool

    package init(pid: PID, parent: PID, startTime: UInt64, comm: String) {
        self.pid = pid
        self.parent = parent
        self.startTime = startTime
        self.comm = comm
        exe = nil
        arguments = []
        user = 0
        group = 0
        isKernelThread = false
        isZombie = false
    }
}

/// All processes of our pid namespace, looked at once.
package struct ProcessList: Equatable, Sendable {
    /// By pid.
    package var processes: [ProcessFacts]
    /// crplan itself and all it runs under.
    package var protected: Set<PID>

    package init(processes: [ProcessFacts], ourselves: PID) {
        self.processes = processes
        let parents = Dictionary(processes.map { ($0.pid, $0.parent) }) { first, _ in first }
        var chain: Set<PID> = [PID(1)]
        var next: PID? = ourselves
        while let pid = next, pid.rawValue > 0, chain.insert(pid).inserted { next = parents[pid] }
        protected = chain
    }

    /// Reads /proc. A process that ends meanwhile is left out. Throws where /proc cannot be listed.
    package static func collect() throws(CollectorError) -> ProcessList {
        let pids: [Int32]
        do throws(Errno) {
            pids = try ProcDirectory.open("/proc").numbers(".")
        } catch {
            throw .unreadable(path: "/proc", errno: error)
        }
        return ProcessList(processes: pids.compactMap { facts(PID($0)) }, ourselves: PID(getpid()))
    }

    /// Nil where the process is gone.
    static func facts(_ pid: PID) -> ProcessFacts? {
        guard let directory = try? ProcDirectory.open("/proc/\(pid)"),
            let stat = (try? directory.read("stat")).flatMap({ try? TaskStat(parsing: $0) }),
            let status = (try? directory.read("status")).flatMap({ try? TaskStatus(parsing: $0) })
        else { return nil }
        var facts = ProcessFacts(
            pid: pid, parent: PID(stat.parent), startTime: stat.startTime, comm: stat.comm)
        facts.user = status.users.effective
        facts.group = status.groups.effective
        facts.isKernelThread = stat.flags & 0x0020_0000 != 0
        facts.isZombie = stat.state == UInt8(ascii: "Z") || stat.state == UInt8(ascii: "X")
        if facts.isKernelThread || facts.isZombie { return facts }
        if let link = try? directory.link("exe") {
            let mark = " (deleted)"
            facts.exe = link.hasSuffix(mark) ? String(link.dropLast(mark.count)) : link
        }
        if let line = try? directory.read("cmdline") {
            facts.arguments = line.split(separator: 0, omittingEmptySubsequences: false).dropLast().map {
                String(decoding: $0, as: UTF8.self)
            }
        }
        return facts
    }
}

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
        guard let now = ProcessList.facts(process.pid), now.startTime == process.startTime else {
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
