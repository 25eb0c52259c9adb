import CPlatform

/// Reads the seccomp filters of frozen threads, and lets our calls past them.
enum SeccompReader {
    /// SECCOMP_MODE_FILTER
    private static let filterMode: UInt32 = 2

    /// One filter of a thread.
    struct Filter: Equatable, Sendable {
        var program: [UInt8]
        /// SECCOMP_FILTER_FLAG_LOG is 2.
        var flags: UInt32
    }

    /// Suspends what the threads of a process have, so that calls which they make for us are judged by no filter, and
    /// returns their filters, the oldest first. The kernel ends the suspension when a task is let go, however that comes.
    static func read(
        _ process: FrozenProcess, _ facts: TaskFacts
    ) throws(TraceError) -> [TID: [Filter]] {
        var found: [TID: [Filter]] = [:]
        for thread in facts.threads where thread.status.seccompMode != 0 {
            let tid = thread.tid
            do throws(Errno) {
                try Ptrace.setOptions(tid, Freezer.options | CP_PTRACE_O_SUSPEND_SECCOMP)
                if thread.status.seccompMode == filterMode { found[tid] = try filters(tid) }
            } catch {
                throw .failed(operation: "reading its seccomp filters", tid: tid, errno: error)
            }
            if found[tid]?.contains(where: { SeccompProgram(bytes: $0.program).asksListener }) == true {
                throw .refused(
                    tid: tid, reason: "a seccomp filter asks a listener in user space, which is not carried")
            }
        }
        return found
    }

    private static func filters(_ tid: TID) throws(Errno) -> [Filter] {
        var all: [Filter] = []
        while true {
            do throws(Errno) {
                let program = try Ptrace.seccompFilter(tid, UInt64(all.count))
                all.append(Filter(program: program, flags: try Ptrace.seccompFlags(tid, UInt64(all.count))))
            } catch {
                if error == .noEntry { return all }
                throw error
            }
        }
    }
}

/// `seccomp.img` as it grows: each thread's filters one after the other, the newest first.
struct SeccompTable {
    private static let synchronise: UInt32 = 1
    private(set) var filters: [SeccompFilterImage] = []

    /// Gives the threads of a process their modes and filters. Where all have the same chain the leader alone has it, to be
    /// given to all, as CRIU has it.
    mutating func add(_ chains: [TID: [SeccompReader.Filter]], to task: inout TaskImage) {
        let all = task.threads.map { chains[$0.tid] ?? [] }
        guard all.contains(where: { !$0.isEmpty }) else { return }
        let isCommon = all.allSatisfy { $0 == all[0] } && task.threads.allSatisfy { $0.seccompMode == 2 }
        for place in task.threads.indices where !all[place].isEmpty {
            if isCommon && place > 0 {
                task.threads[place].seccompMode = nil
                continue
            }
            for (age, filter) in all[place].reversed().enumerated() {
                let next = age == 0 ? nil : UInt32(filters.count - 1)
                filters.append(
                    SeccompFilterImage(
                        program: filter.program, next: next,
                        flags: filter.flags | (isCommon ? Self.synchronise : 0)))
            }
            task.threads[place].seccompFilter = UInt32(filters.count - 1)
        }
    }
}
