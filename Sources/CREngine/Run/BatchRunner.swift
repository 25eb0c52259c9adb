import CPlatform
import FoundationEssentials
import Glibc
import PolicyModel

/// Runs dumps, each in a worker process of its own, so that a crash costs one tree its dump and no tree its life.
package struct BatchRunner: Sendable {
    /// How long a worker may take to end after it was asked to; it needs milliseconds to let its tree go.
    var grace = Duration.seconds(10)
    var program = WorkerProcess.Program()
    /// Workers at once, at least 1.
    var parallel = 1
    /// Looks whether a group is whole once all of it stand still: why not, or nil. Gets its label and its roots.
    var check: @Sendable (String, Set<PID>) -> String? = { _, _ in nil }

    package init() {}
    package init(parallel: Int) { self.parallel = max(1, parallel) }

    /// Runs all jobs and gives their replies in the same order. Those of one group run at once, however many at once
    /// are allowed, and share their fate.
    ///
    /// A worker past its policy's `dump.timeout` is asked to end (SIGTERM) and then made to (SIGKILL). One whose failure
    /// passes by itself is tried again, `batch.retries` times, `batch.backoff` after it ended; others go on meanwhile. A
    /// signal to us is passed on, and jobs that were not begun are skipped; so they are when a hook ends the run.
    /// `started` is called before each one begins.
    package func run(
        _ jobs: [DumpRequest], stop: borrowing StopSignals, started: (DumpRequest) -> Void
    ) -> [DumpReply] {
        var replies = [DumpReply?](repeating: nil, count: jobs.count)
        var running: [Running] = []
        var attempts = Attempts(TargetGroups.units(jobs.map(\.group)))
        /// Why nothing more is begun.
        var over: String?
        while !running.isEmpty || (!attempts.isEmpty && over == nil) {
            while running.count < parallel, over == nil, let next = attempts.takeDue() {
                let meeting = meeting(of: next.members.map { jobs[$0] })
                for index in next.members {
                    if next.number == 1 { started(jobs[index]) }
                    let job = next.number == 1 ? jobs[index] : jobs[index].again(at: Date.now)
                    do throws(Errno) {
                        running.append(try begin(job, index, next, meeting))
                    } catch {
                        let reason = "a worker process cannot be started: \(error)"
                        var reply = DumpReply(.failed, error: reason)
                        reply.isTransient = [EAGAIN, ENOMEM, ENFILE, EMFILE].contains(error.rawValue)
                        replies[index] = attempts.end(next, with: reply, job.policy.batch)
                        meeting?.abandon("\(job.target): \(reason)")
                    }
                }
            }
            wait(for: running, stop)
            if let signal = stop.received {
                over = "stopped by \(SignalName(signal))"
                for one in running { one.ask(SIGTERM, because: "stopped by \(SignalName(signal))", grace) }
            }
            running.removeAll { one in
                one.keepTime(grace)
                guard let reply = one.reply() else { return false }
                let told = one.inGroup(reply, target: one.job.target)
                replies[one.index] = attempts.end(one.attempt, with: told, one.job.policy.batch)
                if reply.endsRun == true, over == nil { over = "a hook of \(one.job.target) ended the run" }
                return true
            }
            for one in running { one.meeting?.listen() }
        }
        return replies.map { $0 ?? DumpReply(.skipped, error: "not begun: \(over ?? "")") }
    }

    private func begin(
        _ job: DumpRequest, _ index: Int, _ attempt: Attempts.One, _ meeting: GroupMeeting?
    ) throws(Errno) -> Running {
        guard let request = try? JSONEncoder().encode(job) else { throw .invalid }
        guard let meeting else {
            let worker = try WorkerProcess(program, request: Array(request))
            return Running(job, index, attempt, worker, meeting: nil)
        }
        let seat = try meeting.seat(index)
        let worker = try WorkerProcess(program, request: Array(request), seat: seat.rawValue)
        return Running(job, index, attempt, worker, meeting: meeting)
    }

    /// Nil for a tree alone.
    private func meeting(of jobs: [DumpRequest]) -> GroupMeeting? {
        guard let group = jobs.first?.group else { return nil }
        let roots = Set(jobs.map(\.root))
        return GroupMeeting(size: jobs.count) { check(group, roots) }
    }

    /// Until a worker says something, a signal comes, or a deadline may have passed.
    private func wait(for running: [Running], _ stop: borrowing StopSignals) {
        var watched = [pollfd(fd: stop.descriptor, events: Int16(POLLIN), revents: 0)]
        for one in running where one.isTalking {
            watched.append(pollfd(fd: one.worker.replyEnd.rawValue, events: Int16(POLLIN), revents: 0))
            watched.append(pollfd(fd: one.worker.printEnd.rawValue, events: Int16(POLLIN), revents: 0))
        }
        for socket in Set(running.flatMap { $0.meeting?.descriptors ?? [] }) {
            watched.append(pollfd(fd: socket, events: Int16(POLLIN), revents: 0))
        }
        // A worker that closed its pipes is about to end, which nothing in the list tells.
        let isClosing = running.contains { !$0.isTalking }
        _ = poll(&watched, nfds_t(watched.count), isClosing ? 1 : 100)
    }
}

/// A worker under way.
private final class Running {
    let job: DumpRequest
    let index: Int
    let attempt: Attempts.One
    let worker: WorkerProcess
    /// Nil for a tree alone.
    let meeting: GroupMeeting?
    private(set) var isTalking = true
    private let timeout: Duration
    private var deadline: Deadline
    /// Why it was asked to end.
    private var reason: String?
    private var wasKilled = false

    init(
        _ job: DumpRequest, _ index: Int, _ attempt: Attempts.One, _ worker: WorkerProcess,
        meeting: GroupMeeting?
    ) {
        self.job = job
        self.index = index
        self.attempt = attempt
        self.worker = worker
        self.meeting = meeting
        timeout = job.policy.dump.timeout
        deadline = .after(milliseconds: Running.milliseconds(timeout))
    }

    func ask(_ signal: Int32, because reason: String, _ grace: Duration) {
        if self.reason != nil { return }
        self.reason = reason
        deadline = .after(milliseconds: Running.milliseconds(grace))
        worker.signal(signal)
    }

    func keepTime(_ grace: Duration) {
        isTalking = worker.collect()
        guard deadline.hasPassed, !wasKilled else { return }
        if reason == nil {
            ask(SIGTERM, because: "took longer than dump.timeout, \(timeout)", grace)
        } else {
            wasKilled = true
            worker.signal(SIGKILL)
        }
    }

    /// Nil while it runs.
    func reply() -> DumpReply? {
        let end: WorkerProcess.End
        do throws(Errno) {
            guard let found = try worker.end() else { return nil }
            end = found
        } catch {
            return DumpReply(.failed, error: "worker \(worker.pid) cannot be waited for: \(error)")
        }
        if case .exited(code: 0) = end.status,
            let reply = try? JSONDecoder().decode(DumpReply.self, from: Data(end.reply))
        {
            return reply
        }
        let lastLine = end.printed.split(separator: "\n").last.map { ": \($0)" } ?? ""
        let cause =
            switch end.status {
            case .killed(let signal): "the worker died of \(SignalName(signal))"
            case .exited(let code): "the worker ended with \(code) and without a whole reply"
            default: "the worker ended in a way that is not known"
            }
        var reply = Aftermath(of: job).reply(error: (reason.map { "\($0); " } ?? "") + cause + lastLine)
        reply.workerDied = true
        return reply
    }

    /// A reply that is none of success lets the others of the group go; theirs then say because of whom.
    func inGroup(_ reply: DumpReply, target: String) -> DumpReply {
        guard let meeting, reply.outcome != .dumped else { return reply }
        if let failure = meeting.failure, reply.outcome == .failed {
            var reply = reply
            if meeting.wasBlocked { reply.outcome = .blocked }
            reply.error = "let go with its group: \(failure)"
            return reply
        }
        meeting.wasBlocked = reply.outcome == .blocked
        meeting.abandon("\(target): \(reply.error ?? reply.outcome.rawValue)")
        return reply
    }

    private static func milliseconds(_ duration: Duration) -> UInt64 {
        UInt64(max(0, duration / .milliseconds(1)))
    }
}

/// A signal as kill(1) writes it, `SIGTERM`.
struct SignalName: CustomStringConvertible {
    let description: String

    init(_ number: Int32) {
        description = sigabbrev_np(number).map { "SIG" + String(cString: $0) } ?? "signal \(number)"
    }
}
