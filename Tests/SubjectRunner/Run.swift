import CPlatform
import CREngine
import Glibc
import TestSupport

/// One subject on its way through its steps.
///
/// The runner is a child subreaper: what a tool kills or restores ends up as its child, so it sees every end itself
/// and no zombie keeps a pid that a restore needs.
struct Run {
    let options: Options
    let directory: String
    private let statusFile: String
    let deadline: Double
    private(set) var root: pid_t = 0
    /// Who made the root's namespaces and waits for it; nil once the root was restored, or has none.
    private var wrapper: pid_t?
    /// The tool of the step at hand.
    private var tool: String
    /// Images of the last dump.
    private var images = ""
    private var dumps = 0
    /// The tree as it was when it was dumped last.
    private var dumped: Fingerprint?
    /// Who has the ids of the tree; each ends when the last copy of its descriptor is closed.
    private var takers: [pid_t: Int32] = [:]
    /// Whether the tree is known by the numbers that it has in a pid namespace.
    private var hasOwnPIDs: Bool { options.hasOwnPIDs || !takers.isEmpty }
    /// Pids that a failed run must not leave behind.
    private var known: Set<pid_t> = []
    /// Milliseconds that each step took, in order.
    private(set) var times: [(step: String, milliseconds: Double)] = []

    init(_ options: Options, directory: String) {
        self.options = options
        self.directory = directory
        tool = options.tool
        statusFile = directory + "/run/status"
        deadline = now() + options.timeout
    }

    /// Starts the subject, walks all steps, and leaves no process behind, however it ends.
    mutating func perform() throws(RunFailure) {
        do throws(RunFailure) {
            try start()
            for step in options.steps {
                let begin = now()
                let report = try perform(step)
                let name = report.isEmpty ? step.description : "\(step.description) (\(report))"
                times.append((name, (now() - begin) * 1000))
            }
            if options.steps.last != .check { endTree() }
        } catch {
            endTree()
            throw error
        }
    }

    /// Does one step; returns what is to be reported of it beyond its time.
    private mutating func perform(_ step: Step) throws(RunFailure) -> String {
        switch step {
        case .dump: try dump()
        case .restore: try restore()
        case .dumpRunning: try dumpWhileRunning(["-R"], expectSuccess: true)
        case .dumpStopped: try dumpStopped()
        case .dumpBlocked: try dumpWhileRunning([], expectSuccess: false)
        case .pause(let seconds): usleep(UInt32(seconds * 1e6))
        case .check: try check()
        case .forgetIPC: try forgetIPC()
        case .takeIDs: try takeIDs()
        case .killPoints(let plan): return try killPoints(plan)
        case .trace(let count): return try trace(count)
        case .killRandom(let count): return try killRandomly(count)
        case .byOtherTool(let step):
            tool = options.otherTool
            defer { tool = options.tool }
            return try perform(step)
        }
        return ""
    }

    /// Ends the subject, in whatever state it is, and starts it anew.
    mutating func replaceSubject() throws(RunFailure) {
        endTree()
        unlink(statusFile)
        try start()
    }

    private func start(_ words: [String], log: String, in place: String) throws(RunFailure) -> pid_t {
        do throws(Errno) {
            return try spawn(words, log: "\(directory)/\(log)", directory: place)
        } catch {
            throw RunFailure("\(words[0]) does not start: \(error)")
        }
    }

    private mutating func start() throws(RunFailure) {
        let words = [options.subject, "--status", statusFile] + options.subjectArguments
        let isWrapped = !options.namespaces.isEmpty
        // criu lets a signal for the death of the parent come when it ends itself, right after a restore.
        let ending = options.otherTool.isEmpty ? ["--kill-child=SIGKILL"] : []
        let unshare =
            options.isMapped
            ? [options.subject, "--mapped"] + options.namespaces + (ending.isEmpty ? [] : ["--kill-child"])
            : isWrapped ? ["/usr/bin/unshare", "--fork"] + ending + options.namespaces : []
        if options.isMapped { try openDirectory() }
        // An init may be in a session of outside, another root leads its own.
        let session = isWrapped && !options.hasOwnPIDs ? ["/usr/bin/setsid"] : []
        var setup = options.inside
        if options.namespaces.contains("--net") { setup = "ip link set lo up\n" + setup }
        let shell = setup.isEmpty ? [] : ["/bin/sh", "-ec", setup + "exec \"$@\"", "sh"]
        root = try start(unshare + shell + session + words, log: "subject.log", in: directory + "/run")
        known = [root]
        if isWrapped {
            let outer = root
            wrapper = outer
            _ = poll(until: deadline) { processTree(of: outer).count > 1 }
            guard let inner = processTree(of: outer).dropFirst().first else {
                throw RunFailure("the subject does not get its namespaces", log: tail("subject.log"))
            }
            root = inner
        }
        let file = statusFile
        _ = poll(until: deadline) { text(of: file) != nil || statFields("/proc/\(root)/stat").first == "Z" }
        let state = text(of: statusFile) ?? "nothing"
        known.formUnion(processTree(of: root))
        guard state == "ready\n" else {
            throw RunFailure(
                "the subject did not get ready, it says: \(trimmed(state))",
                log: tail("subject.log") + whereThreadsAre)
        }
    }

    /// The subject is nobody in particular outside, and writes its state all the same.
    private func openDirectory() throws(RunFailure) {
        let run = directory + "/run"
        guard chmod(directory, 0o711) == 0, chmod(run, 0o777) == 0, chown(run, 100_000, 100_000) == 0 else {
            throw RunFailure("\(run) cannot be given to the subject")
        }
    }

    // MARK: Dump

    private func toolFailed(_ what: String, _ ending: Ending, _ logs: [String]) -> RunFailure {
        RunFailure("\(what) ended with \(ending)", log: logs.map(tail).joined(separator: "\n"))
    }

    /// Runs the tool to its end; it is killed with what it started once the time is over.
    private func runTool(_ words: [String], log: String) throws(RunFailure) -> Ending {
        let pid = try start([tool] + options.toolWords + words, log: log, in: directory)
        if let ending = wait(for: pid, until: deadline) { return ending }
        let left = processTree(of: pid).filter { !known.contains($0) }
        for pid in left { kill(pid, SIGKILL) }
        _ = wait(for: pid, until: now() + 5)
        throw RunFailure("\(words[0]) did not end within \(options.timeout) s", log: tail(log))
    }

    private mutating func runDump(_ extra: [String]) throws(RunFailure) -> Ending {
        dumps += 1
        let target = "\(directory)/images-\(dumps)"
        mkdir(target, 0o700)
        known.formUnion(processTree(of: root))
        let words =
            ["dump", "-t", "\(root)", "-D", target, "-o", "dump.log", "-v4"] + extra + options.dumpOptions
        let ending = try runTool(words, log: "tool.log")
        if ending == .exit(0) {
            images = target
            if options.isMapped, !options.otherTool.isEmpty { showImages() }
        }
        return ending
    }

    /// A stock criu reads them as the root of the user namespace, who is nobody in particular outside.
    private func showImages() {
        chmod(images, 0o755)
        for name in names(in: images) { chmod("\(images)/\(name)", 0o644) }
    }

    private var dumpLogs: [String] { ["tool.log", "images-\(dumps)/dump.log"] }

    private mutating func dump() throws(RunFailure) {
        let before = Fingerprint(root: root, hasOwnPIDs: hasOwnPIDs)
        let ending = try runDump([])
        if ending != .exit(0) { throw toolFailed("dump", ending, dumpLogs) }
        dumped = before
        try expectTreeGone()
    }

    private mutating func dumpWhileRunning(_ extra: [String], expectSuccess: Bool) throws(RunFailure) {
        let before = Fingerprint(root: root, hasOwnPIDs: hasOwnPIDs)
        let ending = try runDump(extra)
        if (ending == .exit(0)) != expectSuccess {
            throw toolFailed(expectSuccess ? "dump" : "a dump that must be refused", ending, dumpLogs)
        }
        if !expectSuccess, case .signal = ending {
            throw toolFailed("a dump that must be refused", ending, dumpLogs)
        }
        try expectUndisturbed(since: before, after: "the dump")
    }

    private mutating func dumpStopped() throws(RunFailure) {
        let before = Fingerprint(root: root, hasOwnPIDs: hasOwnPIDs)
        let ending = try runDump(["-s"])
        if ending != .exit(0) { throw toolFailed("dump", ending, dumpLogs) }
        for task in before.tasks
        where !["T", "t"].contains(statFields("/proc/\(task.pid)/task/\(task.tid)/stat").first) {
            throw RunFailure("thread \(task.tid) is not stopped after dump -s")
        }
        for pid in Set(before.tasks.map(\.pid)) { kill(pid, SIGCONT) }
        try expectUndisturbed(since: before, after: "dump -s and SIGCONT")
    }

    private func expectUndisturbed(since before: Fingerprint, after what: String) throws(RunFailure) {
        var differences: [String] = []
        let settled = poll(until: min(deadline, now() + 3)) {
            let current = Fingerprint(root: root, hasOwnPIDs: hasOwnPIDs)
            differences = current.held(before: before) + current.differences(from: before)
            return differences.isEmpty
        }
        if !settled {
            throw RunFailure(
                "the tree is not what it was after \(what): " + differences.joined(separator: "; ")
                    + subjectSays,
                log: tail(dumpLogs[1]))
        }
        let state = text(of: statusFile) ?? ""
        if state != "ready\n" { throw RunFailure("after \(what) the subject says: \(trimmed(state))") }
    }

    /// Reaps until none of the tree's pids is left.
    private mutating func expectTreeGone() throws(RunFailure) {
        let pids = known
        wrapper = nil
        let gone = poll(until: min(deadline, now() + 5)) {
            reap()
            return pids.allSatisfy { statFields("/proc/\($0)/stat").isEmpty }
        }
        if !gone {
            let left = pids.filter { !statFields("/proc/\($0)/stat").isEmpty }.sorted()
            throw RunFailure("still there after a dump that kills: \(left)")
        }
    }

    // MARK: Restore and verdict

    private mutating func restore() throws(RunFailure) {
        let pidFile = "\(directory)/restored-\(dumps).pid"
        unlink(pidFile)
        let words = ["restore", "-D", images, "-d", "-o", "restore.log", "-v4", "--pidfile", pidFile]
        let ending = try runTool(words + options.restoreOptions, log: "tool.log")
        let logs = ["tool.log", images.split(separator: "/").last.map { "\($0)/restore.log" } ?? ""]
        if ending != .exit(0) { throw toolFailed("restore", ending, logs) }
        let written = text(of: pidFile).flatMap { Int32(trimmed($0)) }
        if hasOwnPIDs, let written { root = written }
        if !takers.isEmpty {
            // The init that was made for the tree, which ends as the root does.
            wrapper = statFields("/proc/\(root)/stat").dropFirst().first.flatMap { Int32($0) }
            known.formUnion([wrapper ?? root])
        }
        if written != root { throw RunFailure("the restored root is \(written ?? 0), it was \(root)") }
        known.formUnion(processTree(of: root))
        guard let dumped else { throw RunFailure("nothing was dumped before the restore") }
        var differences: [String] = []
        let same = poll(until: min(deadline, now() + 3)) {
            let current = Fingerprint(root: root, hasOwnPIDs: hasOwnPIDs)
            differences =
                current.held(before: dumped) + current.differences(from: dumped, except: options.elsewhere)
            return differences.isEmpty
        }
        if !same {
            throw RunFailure(
                "the restored tree is another: " + differences.joined(separator: "; ") + subjectSays,
                log: logs.map(tail).joined())
        }
    }

    private mutating func takeIDs() throws(RunFailure) {
        guard let dumped else { throw RunFailure("nothing was dumped before take-ids") }
        for task in dumped.tasks where takers[task.tid] == nil {
            var keep: Int32 = -1
            let taker = cp_stub_start(task.tid, 0, 0, -1, Int32(CP_STUB_CHILD), &keep)
            guard taker == task.tid else { throw RunFailure("id \(task.tid) cannot be taken: \(taker)") }
            takers[taker] = keep
        }
        known.subtract(takers.keys)
    }

    private func forgetIPC() throws(RunFailure) {
        let directory = try failing("the images") { () throws(Errno) in
            try OwnedFD.open(images, O_RDONLY | O_DIRECTORY)
        }
        guard let objects = try? ImageSet.read(from: directory).systemV, !objects.isEmpty else {
            throw RunFailure("the images have no System V IPC")
        }
        // A segment that was removed while it was mapped went with the tree.
        for segment in objects.segments where segment.object.mode & SharedSegmentImage.isDoomedBit == 0 {
            try failing("segment \(segment.object.id)") { () throws(Errno) in
                try SystemV.remove(.segment, segment.object.id)
            }
        }
        for set in objects.semaphores {
            try failing("semaphore set \(set.object.id)") { () throws(Errno) in
                try SystemV.remove(.semaphores, set.object.id)
            }
        }
        for queue in objects.queues {
            try failing("queue \(queue.object.id)") { () throws(Errno) in
                try SystemV.remove(.queue, queue.object.id)
            }
        }
    }

    private mutating func check() throws(RunFailure) {
        guard let request = try? OwnedFD.open(statusFile + ".check", O_WRONLY | O_CREAT, mode: 0o644) else {
            throw RunFailure("\(statusFile).check cannot be made")
        }
        _ = consume request
        let file = statusFile
        _ = poll(until: deadline) {
            let state = text(of: file)
            return (state != nil && state != "ready\n")
                || statFields("/proc/\(root)/stat").first.map { $0 == "Z" } ?? true
        }
        guard let ending = wait(for: wrapper ?? root, until: min(deadline + 1, now() + 10)) else {
            throw RunFailure(
                "the subject does not end, it says: \(trimmed(text(of: file) ?? ""))",
                log: tail("subject.log"))
        }
        let state = trimmed(text(of: file) ?? "nothing")
        if ending != .exit(0) || state != "pass" {
            throw RunFailure("the subject ended with \(ending) and says: \(state)", log: tail("subject.log"))
        }
        try expectTreeGone()
    }

    // MARK: Cleaning up

    /// Takes the wait status of every child that ended.
    private func reap() {
        while waitpid(-1, nil, WNOHANG) > 0 { continue }
    }

    /// Kills what is left of the tree: only pids that were seen in it and still descend from us.
    private mutating func endTree() {
        let deadline = now() + 5
        _ = poll(until: deadline) {
            reap()
            let ours = processTree(of: getpid()).dropFirst()
            for pid in ours { kill(pid, SIGKILL) }
            return ours.isEmpty
        }
        removeSystemV(of: known)
    }

    /// What the subject itself says, where it is more than "ready".
    private var subjectSays: String {
        let state = trimmed(text(of: statusFile) ?? "nothing")
        return state == "ready" ? "" : "; the subject says: \(state)"
    }

    /// Where each thread of the tree is in the kernel, a line each.
    private var whereThreadsAre: String {
        processTree(of: root).flatMap { pid in
            names(in: "/proc/\(pid)/task").map { tid in
                let directory = "/proc/\(pid)/task/\(tid)"
                let state = statFields(directory + "/stat").first ?? "gone"
                let place = text(of: directory + "/wchan") ?? ""
                return "\n\(pid)/\(tid): \(state) \(place) " + trimmed(text(of: directory + "/syscall") ?? "")
            }
        }.joined()
    }

    private func tail(_ name: String) -> String {
        let lines = (text(of: "\(directory)/\(name)") ?? "").split(separator: "\n")
        return lines.suffix(40).joined(separator: "\n")
    }
}
