import CPlatform
import Glibc

/// All processes of our pid namespace, looked at once.
package struct ProcessList: Equatable, Sendable {
    /// By pid.
    package var processes: [ProcessFacts]
    /// crplan itself and all it runs under.
    package var protected: Set<PID>
    /// Clock ticks after boot when the list was made.
    package var moment: UInt64 = 0

    package init(processes: [ProcessFacts], ourselves: PID) {
        self.processes = processes
        let parents = Dictionary(processes.map { ($0.pid, $0.parent) }) { first, _ in first }
        var chain: Set<PID> = [PID(1)]
        var next: PID? = ourselves
        while let pid = next, pid.rawValue > 0, chain.insert(pid).inserted { next = parents[pid] }
        protected = chain
    }

    /// What `protected` is of a list made now, without a look at any other process.
    package static func ourAncestry() -> Set<PID> {
        var chain: Set<PID> = [PID(1)]
        var next = PID(getpid())
        while next.rawValue > 0, chain.insert(next).inserted, let stat = TaskList.stat(next, next.leader) {
            next = stat.parent
        }
        return chain
    }

    /// Reads /proc, and of each process no more than is needed. A process that ends meanwhile is left out.
    ///
    /// Throws where /proc cannot be listed.
    package static func collect(_ needs: ProcessNeeds = ProcessNeeds()) throws(CollectorError) -> ProcessList
    {
        do throws(Errno) {
            var reader = try ProcessReader(needs)
            let pids = try ProcDirectory.open("/proc").numbers(".")
            var processes: [ProcessFacts] = []
            processes.reserveCapacity(pids.count)
            for pid in pids {
                if let facts = reader.facts(PID(pid)) { processes.append(facts) }
            }
            if needs.container {
                let index = ContainerIndex.read(processes)
                for place in processes.indices {
                    processes[place].container = index.membership(of: processes[place])
                }
            }
            var list = ProcessList(processes: processes, ourselves: PID(getpid()))
            list.moment = ClockTicks.sinceBoot()
            return list
        } catch {
            throw .unreadable(path: "/proc", errno: error)
        }
    }
}

/// The unit of times in /proc. See sysconf(3).
package enum ClockTicks {
    package static let perSecond = UInt64(max(1, sysconf(Int32(_SC_CLK_TCK))))

    /// CLOCK_BOOTTIME, as the start times of /proc count.
    package static func sinceBoot() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return UInt64(time.tv_sec) * perSecond + UInt64(time.tv_nsec) * perSecond / 1_000_000_000
    }

    /// Rounded down.
    package static func duration(_ ticks: UInt64) -> Duration {
        .milliseconds(Int64(clamping: ticks.multipliedFullWidth(by: 1000).low / perSecond))
    }
}
