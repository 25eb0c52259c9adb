/// Whether a policy that is looked at now and then is to run at this moment.
package enum DueDecision: Sendable, Equatable {
    case notDue
    /// This time has just come.
    case due(UnixTime)
    /// This was the first of the times that were missed, and `catch-up: once` makes up for them all.
    case madeUp(since: UnixTime)

    /// The scheduled time that a run answers.
    package var time: UnixTime? {
        switch self {
        case .notDue: nil
        case .due(let time), .madeUp(since: let time): time
        }
    }
}

extension ScheduleTimes {
    /// A time counts as just come for this long, in seconds: cron looks once a minute, and a busy machine is late.
    package static let tolerance: Int64 = 120

    /// `answered` is the moment of the last run that was begun or skipped; nil when there was none.
    ///
    /// A time is answered once. One that came no more than ``tolerance`` ago is due; one that came earlier was missed,
    /// and is made up for, once with all others, if the policy says so and has run before.
    package func decision(at now: UnixTime, answered: UnixTime?) -> DueDecision {
        // A clock that was put back makes the last run one of the future: it says nothing of the times before.
        let answered = answered.flatMap { $0 > now ? nil : $0 }
        let oldest = now - ScheduleTimes.tolerance
        var newest: UnixTime?
        var time = max(answered ?? oldest, oldest)
        while let next = next(after: time), next <= now { (newest, time) = (next, next) }
        if let newest { return .due(newest) }
        if catchUp == .once, let answered, let missed = next(after: answered), missed <= now {
            return .madeUp(since: missed)
        }
        return .notDue
    }
}
