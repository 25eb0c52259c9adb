package import FoundationEssentials
package import PolicyModel

/// How a policy fares: what its history and its checkpoints say of it now. A pure function of them and of `now`.
package struct PolicyStatus: Codable, Sendable, Equatable {
    package enum State: String, Codable, Sendable {
        case ok
        case warning
        case critical
        /// It never ran, or nothing can be read.
        case unknown
    }

    package struct LastRun: Codable, Sendable, Equatable {
        package var started: Date
        /// Nil while it goes on, and for one that died.
        package var finished: Date?
        /// A ``RunOutcome``, `running`, or `died`.
        package var outcome: String
        package var error: String?
    }

    package struct Target: Codable, Sendable, Equatable {
        package var name: String
        /// Whether the newest run that had a plan had to do with it.
        package var isCurrent: Bool
        /// Of its newest good checkpoint; all nil where it has none.
        package var checkpoint: String?
        package var created: Date?
        package var bytes: UInt64?
        /// Microseconds.
        package var frozen: UInt64?
        /// How many checkpoints it has, good or not.
        package var count: Int
        package var isLate: Bool
        package var lastFailure: Failure?
    }

    package struct Failure: Codable, Sendable, Equatable {
        package var at: Date
        package var outcome: String
        package var error: String?
    }

    package var policy: String
    package var state: State
    /// Why it is not ok, one line each, the worst first.
    package var reasons: [String]
    package var lastRun: LastRun?
    /// Nil without a schedule.
    package var nextRun: Date?
    /// No run was begun when it should have been.
    package var isLate: Bool
    /// How many times runs were skipped since the last one was begun.
    package var skipped: Int
    /// By name.
    package var targets: [Target]
}

/// One checkpoint as far as a status tells it.
package struct CheckpointFacts: Sendable, Equatable {
    package var id: String
    package var target: String
    package var created: Date
    package var bytes: UInt64
    /// Microseconds.
    package var frozen: UInt64
    /// Its digests were read back, and no newer one's were.
    package var isNewestGood: Bool
    package init(
        id: String, target: String, created: Date, bytes: UInt64, frozen: UInt64, isNewestGood: Bool
    ) {
        self.id = id
        self.target = target
        self.created = created
        self.bytes = bytes
        self.frozen = frozen
        self.isNewestGood = isNewestGood
    }
}

extension PolicyStatus {
    /// Of a policy of which nothing can be told.
    package init(unreadable policy: String, because reason: String) {
        self.policy = policy
        state = .unknown
        reasons = [reason]
        isLate = false
        skipped = 0
        targets = []
    }

    /// `times` is nil for a policy without a schedule, of which nothing can be late. `isRunning`: somebody holds its lock.
    package init(
        of policy: Policy, times: ScheduleTimes?, events: [HistoryEvent], checkpoints: [CheckpointFacts],
        isRunning: Bool, now: Date
    ) {
        let grace = policy.dump.timeout.components.seconds + ScheduleTimes.tolerance
        let isPast = { (date: Date) -> Bool in
            guard let next = times?.next(after: UnixTime(date)) else { return false }
            return UnixTime(now) > next + grace
        }
        self.policy = policy.name
        let last = PolicyStatus.lastRun(events, isRunning: isRunning)
        lastRun = last
        nextRun = times?.next(after: UnixTime(now)).map(Date.init)
        isLate = last.map { isPast($0.started) } ?? false
        let begin = events.lastIndex { $0.event == .started }
        skipped = events[(begin ?? 0)...].count { $0.event == .skipped }
        targets = PolicyStatus.targets(events, checkpoints, isPast)
        reasons = []
        state = .ok
        judge(now: now)
    }

    private mutating func judge(now: Date) {
        guard let last = lastRun else {
            state = .unknown
            reasons = ["it never ran"]
            return
        }
        var critical: [String] = []
        if last.outcome == RunOutcome.unsafe.rawValue {
            critical.append(
                "the last run left a task stopped, or lost it: " + (last.error ?? "see its report"))
        }
        if isLate { critical.append("no run was begun when it was due") }
        critical += targets.filter { $0.isCurrent && $0.isLate }.map { target in
            target.created == nil
                ? "\(target.name) has no good checkpoint"
                : "the newest good checkpoint of \(target.name) is late"
        }
        var warnings: [String] = []
        if ![RunOutcome.done.rawValue, "running", RunOutcome.unsafe.rawValue].contains(last.outcome) {
            let cause =
                last.error ?? targets.first { $0.isCurrent && $0.lastFailure != nil }?.lastFailure?.error
            warnings.append("the last run: \(last.outcome)" + (cause.map { ": \($0)" } ?? ""))
        }
        reasons = critical + warnings
        state = !critical.isEmpty ? .critical : !warnings.isEmpty ? .warning : .ok
    }

    private static func lastRun(_ events: [HistoryEvent], isRunning: Bool) -> LastRun? {
        guard let start = events.last(where: { $0.event == .started }) else { return nil }
        guard let end = events.last(where: { $0.event == .finished && $0.run == start.run }) else {
            return LastRun(started: start.at, outcome: isRunning ? "running" : "died")
        }
        return LastRun(
            started: start.at, finished: end.at, outcome: end.outcome ?? "unknown", error: end.error)
    }

    private static func targets(
        _ events: [HistoryEvent], _ checkpoints: [CheckpointFacts], _ isPast: (Date) -> Bool
    ) -> [Target] {
        let planned = events.last { $0.event == .finished && $0.targets != nil }?.run
        let current = Set(
            events.filter { $0.event == .target && $0.run == planned && planned != nil }.compactMap(\.target))
        let names = current.union(checkpoints.map(\.target))
        return names.sorted().map { name in
            let own = checkpoints.filter { $0.target == name }
            let good = own.first { $0.isNewestGood }
            let bad = events.last {
                $0.event == .target && $0.target == name && $0.outcome != DumpReply.Outcome.dumped.rawValue
            }
            let isCurrent = current.contains(name)
            // Without any checkpoint it is late from its first failure on.
            let isLate = good.map { isPast($0.created) } ?? (bad != nil)
            return Target(
                name: name, isCurrent: isCurrent, checkpoint: good?.id, created: good?.created,
                bytes: good?.bytes, frozen: good?.frozen, count: own.count, isLate: isCurrent && isLate,
                lastFailure: bad.map { Failure(at: $0.at, outcome: $0.outcome ?? "unknown", error: $0.error) }
            )
        }
    }
}
