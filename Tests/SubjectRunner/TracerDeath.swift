import CREngine
import Glibc
import TestSupport

/// Kills a tracer at its numbered points or at any moment, and looks whether its target took harm.
struct TracerDeath {
    let tool: String
    /// The tool's arguments; `{pid}` stands for the target, `{dir}` for a new directory.
    let arguments: [String]
    let root: Int32
    let page: KillTargetPage
    /// Where logs and images go.
    let directory: String
    /// For the whole run, in seconds of the monotonic clock.
    let deadline: Double
    /// The target as it was when the last death had done it no harm: what it was before the next one.
    private var known: Look?
    /// The target as it was before the first death.
    private var original: Look?

    init(
        tool: String, arguments: [String], root: Int32, page: KillTargetPage, directory: String,
        deadline: Double
    ) {
        self.tool = tool
        self.arguments = arguments
        self.root = root
        self.page = page
        self.directory = directory
        self.deadline = deadline
    }

    /// What the target looks like from outside.
    private struct Look {
        var fingerprint: Fingerprint
        /// Processes where the end of the vdso is not zero.
        var stubs: Set<Int32>
    }

    /// What came of one death.
    enum Outcome {
        case well
        /// What the target lost.
        case harmed([String])
        /// The tool ended before the point was reached.
        case ended
    }

    /// Seconds within which the target must be well and everything else gone; a busy machine may need many.
    private static let patience = 60.0

    private func limit() -> Double { min(deadline, now() + Self.patience) }

    // MARK: Numbered points

    /// Lets the tool die at one point.
    mutating func die(at point: Int, _ plan: KillPlan) throws(RunFailure) -> Outcome {
        let before = known ?? look()
        if original == nil { original = before }
        var environment: [String: String] = [:]
        switch plan.mode {
        case .trap, .segv: environment["CRPLAN_STOP_AT"] = "\(plan.mode.rawValue)@\(point)"
        case .supervisorUndo:
            environment["CRPLAN_STOP_AT"] = "\(plan.workerPoint)"
            environment["CRPLAN_SUPERVISOR_STOP_AT"] = "\(point)"
        default: environment["CRPLAN_STOP_AT"] = "\(point)"
        }
        if plan.breaksStub { environment["CRPLAN_BREAK_STUB"] = "1" }
        let worker = try start(environment)
        let isOver = try end(worker, at: point, plan)
        if isOver { return .ended }
        guard awaitAlone() else {
            return .harmed(["a process of the tool does not end"])
        }
        if plan.signal == SIGSTOP {
            let isStopped = poll(until: limit()) { statFields("/proc/\(root)/stat").first == "T" }
            if !isStopped { return .harmed(["SIGSTOP did not stop the root"]) }
            kill(root, SIGCONT)
        }
        return judge(before, mayLeaveTraces: plan.mayLeaveTraces)
    }

    /// Brings the worker to its end; true when it ended before its point.
    private func end(_ worker: Int32, at point: Int, _ plan: KillPlan) throws(RunFailure) -> Bool {
        if plan.mode == .trap || plan.mode == .segv {
            guard let ending = wait(for: worker, until: limit()) else { throw hangs("the tool") }
            return ending == .exit(0)
        }
        switch try stopOrEnd(of: worker) {
        case .ended(.exit(0)): return true
        case .ended(let ending):
            throw RunFailure("the tool ended with \(ending) before point \(point)", log: log())
        case .stopped: break
        }
        if let signal = plan.signal { kill(root, signal) }
        let supervisors = childrenOf(worker)
        switch plan.mode {
        case .none:
            kill(worker, SIGCONT)
            guard let ending = wait(for: worker, until: limit()) else { throw hangs("the tool") }
            if ending != .exit(0) {
                throw RunFailure("the tool ended with \(ending) after it went on", log: log())
            }
        case .worker:
            kill(worker, SIGKILL)
        case .supervisor:
            for pid in supervisors { kill(pid, SIGKILL) }
            kill(worker, SIGCONT)
        case .both:
            let order = point % 2 == 0 ? supervisors + [worker] : [worker] + supervisors
            for pid in order { kill(pid, SIGKILL) }
        case .supervisorUndo:
            kill(worker, SIGKILL)
            _ = wait(for: worker, until: limit())
            var isOver = true
            for pid in supervisors {
                if case .stopped = try stopOrEnd(of: pid) {
                    isOver = false
                    kill(pid, SIGKILL)
                }
            }
            return isOver
        case .trap, .segv: break
        }
        return false
    }

    /// One run that nobody disturbs takes back what was left by those that were killed with their supervisors.
    mutating func recover() throws(RunFailure) -> Outcome {
        let (ending, log) = try runOnce()
        if ending != .exit(0) { throw RunFailure("the tool ended with \(ending)", log: log) }
        return judge(original ?? look(), mayLeaveTraces: false)
    }

    // MARK: Any moment

    /// Seconds that the tool needs when nobody disturbs it: the median of some runs.
    func usualDuration() throws(RunFailure) -> Double {
        var durations: [Double] = []
        for _ in 0..<5 {
            let begin = now()
            let worker = try start([:])
            guard let ending = wait(for: worker, until: limit()) else { throw hangs("the tool") }
            if ending != .exit(0) { throw RunFailure("the tool ended with \(ending)", log: log()) }
            durations.append(now() - begin)
            _ = awaitAlone()
        }
        return durations.sorted()[durations.count / 2]
    }

    /// Kills the tool after so many seconds, its supervisor too where `both` is set.
    ///
    /// What such a turn left may still be there in the turns that follow, or be taken back by them.
    mutating func die(after delay: Double, both: Bool) throws(RunFailure) -> Outcome {
        let before = known ?? look()
        if original == nil { original = before }
        let worker = try start([:])
        usleep(UInt32(delay * 1e6))
        let victims = [worker] + (both ? childrenOf(worker) : [])
        for pid in victims { kill(pid, SIGKILL) }
        guard awaitAlone() else { return .harmed(["a process of the tool does not end"]) }
        return judge(before, mayLeaveTraces: true)
    }

    /// Runs the tool once, undisturbed; what it wrote comes with its end.
    func runOnce() throws(RunFailure) -> (ending: Ending, log: String) {
        let worker = try start([:])
        guard let ending = wait(for: worker, until: limit()) else { throw hangs("the tool") }
        if !awaitAlone() { throw hangs("a process of the tool") }
        return (ending, log())
    }

    // MARK: The target

    /// The target must run on, undamaged, and look from outside as before.
    private mutating func judge(_ before: Look, mayLeaveTraces: Bool) -> Outcome {
        let faults = page.faults(until: limit(), orOnce: rootHasEnded)
        if rootHasEnded() { return .harmed(["the root has ended"]) }
        if !faults.isEmpty { return .harmed(faults) }
        var differences: [String] = []
        var current = before.fingerprint
        _ = poll(until: limit()) {
            current = Fingerprint(root: root)
            differences = current.held() + current.differences(from: before.fingerprint)
            if mayLeaveTraces { differences.removeAll { $0.contains("/map ") } }
            return differences.isEmpty
        }
        let left = stubs()
        if differences.isEmpty && !mayLeaveTraces {
            differences = left.subtracting(before.stubs).map { "process \($0) keeps a stub" }
        }
        if !differences.isEmpty { return .harmed(differences + ["the tool says: \(trimmed(log()))"]) }
        known = Look(fingerprint: current, stubs: left)
        return .well
    }

    private func rootHasEnded() -> Bool {
        ["Z", nil].contains(statFields("/proc/\(root)/stat").first)
    }

    private func look() -> Look { Look(fingerprint: Fingerprint(root: root), stubs: stubs()) }

    private func stubs() -> Set<Int32> {
        let left = processTree(of: root).filter { pid in
            let maps = (text(of: "/proc/\(pid)/maps") ?? "").split(separator: "\n")
            guard let line = maps.first(where: { $0.hasSuffix("[vdso]") }),
                let end = line.split(separator: " ").first?.split(separator: "-").last,
                let address = UInt64(end, radix: 16),
                let tail = try? RemoteMemory.bytes(
                    PID(pid), RemoteAddress(address) + -HealingStub.size, count: HealingStub.size)
            else { return false }
            return tail.contains { $0 != 0 }
        }
        return Set(left)
    }

    // MARK: The tool

    private enum Change { case stopped, ended(Ending) }

    private func start(_ environment: [String: String]) throws(RunFailure) -> Int32 {
        let target = directory + "/images-kill"
        remove(target)
        mkdir(target, 0o700)
        let words = arguments.map { $0 == "{pid}" ? "\(root)" : $0 == "{dir}" ? target : $0 }
        for (name, value) in environment { setenv(name, value, 1) }
        defer { for name in environment.keys { unsetenv(name) } }
        let file = directory + "/tool.log"
        unlink(file)
        return try failing(tool) { () throws(Errno) in
            try spawn([tool] + words, log: file, directory: directory)
        }
    }

    private func stopOrEnd(of pid: Int32) throws(RunFailure) -> Change {
        var status: Int32 = 0
        let changed = poll(until: limit(), every: 1) { waitpid(pid, &status, WUNTRACED | WNOHANG) == pid }
        if !changed { throw hangs("process \(pid) of the tool") }
        return status & 0xff == 0x7f ? .stopped : .ended(Ending(waitStatus: status))
    }

    /// Reaps until the target is our only child: orphans of the tool come to us.
    private func awaitAlone() -> Bool {
        poll(until: limit(), every: 1) {
            let others = childrenOf(getpid()).filter { $0 != root && isOfTool($0) }
            for pid in others { waitpid(pid, nil, WNOHANG) }
            return others.isEmpty
        }
    }

    /// Children of a target that died come to us too.
    ///
    /// A process that is about to end has no command line any more, and may still have a supervisor for a child.
    private func isOfTool(_ pid: Int32) -> Bool {
        guard let program = (text(of: "/proc/\(pid)/cmdline") ?? "").split(separator: "\0").first else {
            return true
        }
        return statFields("/proc/\(pid)/stat").first == "Z"
            || program.split(separator: "/").last == tool.split(separator: "/").last
    }

    private func childrenOf(_ pid: Int32) -> [Int32] {
        TaskList.children(of: PID(pid), thread: PID(pid).leader).map(\.rawValue)
    }

    private func hangs(_ what: String) -> RunFailure { RunFailure("\(what) hangs", log: log()) }

    private func log() -> String { text(of: directory + "/tool.log") ?? "" }
}
