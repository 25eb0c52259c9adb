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
    /// A worker past its policy's `dump.timeout` is asked to end (SIGTERM) and then made to (SIGKILL). A signal to us is
    /// passed on, and jobs that were not begun are skipped. `started` is called before each one begins.
    package func run(
        _ jobs: [DumpRequest], stop: borrowing StopSignals, started: (DumpRequest) -> Void
    ) -> [DumpReply] {
        var replies = [DumpReply?](repeating: nil, count: jobs.count)
        var running: [Running] = []
        var waiting = TargetGroups.units(jobs.map(\.group))[...]
        var stopped: Int32?
        while !running.isEmpty || (!waiting.isEmpty && stopped == nil) {
            while running.count < parallel, stopped == nil, let unit = waiting.popFirst() {
                let meeting = meeting(of: unit.map { jobs[$0] })
                for index in unit {
                    started(jobs[index])
                    do throws(Errno) {
                        running.append(try begin(jobs[index], index: index, meeting))
                    } catch {
                        let reason = "a worker process cannot be started: \(error)"
                        replies[index] = DumpReply(.failed, error: reason)
                        meeting?.abandon("\(jobs[index].target): \(reason)")
                    }
                }
            }
            wait(for: running, stop)
            if let signal = stop.next() {
                stopped = signal
                for one in running { one.ask(SIGTERM, because: "stopped by \(SignalName(signal))", grace) }
            }
            running.removeAll { one in
                one.keepTime(grace)
                guard let reply = one.reply(to: jobs[one.index]) else { return false }
                replies[one.index] = one.inGroup(reply, target: jobs[one.index].target)
                return true
            }
            for one in running { one.meeting?.listen() }
        }
        let reason = "not begun: stopped by \(SignalName(stopped ?? 0))"
        return replies.map { $0 ?? DumpReply(.skipped, error: reason) }
    }

    private func begin(_ job: DumpRequest, index: Int, _ meeting: GroupMeeting?) throws(Errno) -> Running {
        guard let request = try? JSONEncoder().encode(job) else { throw .invalid }
        let timeout = job.policy.dump.timeout
        guard let meeting else {
            let worker = try WorkerProcess(program, request: Array(request))
            return Running(index: index, worker: worker, timeout: timeout, meeting: nil)
        }
        let seat = try meeting.seat(index)
        let worker = try WorkerProcess(program, request: Array(request), seat: seat.rawValue)
        return Running(index: index, worker: worker, timeout: timeout, meeting: meeting)
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
    let index: Int
    let worker: WorkerProcess
    /// Nil for a tree alone.
    let meeting: GroupMeeting?
    private(set) var isTalking = true
    private let timeout: Duration
    private var deadline: Deadline
    /// Why it was asked to end.
    private var reason: String?
    private var wasKilled = false

    init(index: Int, worker: WorkerProcess, timeout: Duration, meeting: GroupMeeting?) {
        self.index = index
        self.worker = worker
        self.meeting = meeting
        self.timeout = timeout
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
    func reply(to job: DumpRequest) -> DumpReply? {
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
        return Aftermath(of: job).reply(error: (reason.map { "\($0); " } ?? "") + cause + lastLine)
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
