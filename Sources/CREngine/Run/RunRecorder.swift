package import FoundationEssentials
package import PolicyModel

/// Writes down in a policy's history what a run does.
///
/// A history that cannot be written does not stop a run: the run's report tells of it.
struct RunRecorder {
    private let history: History
    private let occasion: RunOccasion
    /// Tells runs apart; random.
    private let run = String(UInt32.random(in: 1 << 28...UInt32.max), radix: 16)

    init(_ policy: Policy, _ occasion: RunOccasion) {
        history = History(store: Store(path: policy.store.path), policy: policy.name)
        self.occasion = occasion
    }

    /// When a run was last begun, or one at a scheduled time was skipped; nil when none ever was.
    func lastAnswer() throws(StoreError) -> UnixTime? {
        let answer = try history.last { event in
            event.event == .started
                || event.event == .skipped && event.occasion == RunOccasion.scheduled.rawValue
        }
        return answer.map { UnixTime($0.at) }
    }

    /// A run begins, perhaps over the lock of one that died.
    func started(due: UnixTime?, tookOverFrom left: LockHolder?, into notes: inout [String]) {
        var events: [HistoryEvent] = []
        if let left {
            var event = HistoryEvent(.lockTakenOver, at: Date.now, run: run)
            event.holder = left
            events.append(event)
        }
        var event = HistoryEvent(.started, at: Date.now, run: run)
        event.occasion = occasion.rawValue
        event.due = due.map(Date.init)
        append(events + [event], &notes)
    }

    /// A run is not begun: another one is under way, or a signal came before it.
    func skipped(due: UnixTime?, holder: LockHolder?, error: String, into notes: inout [String]) {
        var event = HistoryEvent(.skipped, at: Date.now)
        event.occasion = occasion.rawValue
        event.due = due.map(Date.init)
        event.holder = holder
        event.error = error
        append([event], &notes)
    }

    /// A run has ended, and this came of its targets.
    func finished(_ result: PolicyRun, milliseconds: UInt64, into notes: inout [String]) {
        let now = Date.now
        var events = targets(of: result, at: now)
        let count = events.count
        if let pruned = result.pruned.flatMap({ HistoryEvent(pruning: $0, at: now, run: run) }) {
            events.append(pruned)
        }
        var event = HistoryEvent(.finished, at: now, run: run)
        event.outcome = result.outcome.rawValue
        event.milliseconds = milliseconds
        event.targets = result.plan == nil ? nil : count
        event.error = result.error ?? result.drift.first
        append(events + [event], &notes)
    }

    /// Those that were dumped or tried, and those that the plan found blocked.
    private func targets(of result: PolicyRun, at now: Date) -> [HistoryEvent] {
        let tried = result.results.map { item -> HistoryEvent in
            var event = HistoryEvent(.target, at: now, run: run)
            event.target = item.target
            event.pid = item.pid.rawValue
            event.outcome = item.reply.outcome.rawValue
            event.error = item.reply.error
            if let record = item.reply.checkpoint {
                event.checkpoint = record.id
                event.bytes = record.bytes
                event.frozen = record.times.freezing + record.times.frozen
                event.confirmed = record.isConfirmed
            }
            return event
        }
        let names = Set(result.results.map(\.target))
        let others = (result.plan?.targets ?? []).filter { !names.contains($0.name) }
        return tried
            + others.map { target in
                var event = HistoryEvent(.target, at: now, run: run)
                event.target = target.name
                event.pid = target.pid.rawValue
                let blocker = target.findings.first { $0.severity == .block }
                event.outcome = (blocker == nil ? DumpReply.Outcome.skipped : .blocked).rawValue
                event.error = blocker.map { "\($0.code.rawValue) \($0.what)" } ?? "the run was not begun"
                return event
            }
    }

    private func append(_ events: [HistoryEvent], _ notes: inout [String]) {
        do throws(StoreError) {
            try history.append(events)
        } catch {
            notes.append("the history has a gap: \(error)")
        }
    }
}

extension UnixTime {
    package init(_ date: Date) { self.init(Int64(date.timeIntervalSince1970.rounded(.down))) }
    /// By the system's clock.
    package static var now: UnixTime { UnixTime(Date.now) }
}

extension Date {
    package init(_ time: UnixTime) { self.init(timeIntervalSince1970: Double(time.seconds)) }
}
