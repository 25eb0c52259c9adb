/// How long a dump may keep a tree stopped, `dump.freeze-budget`, and what to do past that.
package struct PauseLimit: Sendable, Equatable {
    /// Nanoseconds.
    package let budget: UInt64
    /// Whether the tree is let go and the dump fails as soon as the pause is too long; otherwise that is only told.
    package let aborts: Bool

    package init(nanoseconds: UInt64, aborts: Bool) {
        budget = nanoseconds
        self.aborts = aborts
    }
}

/// A pause under way: what a tree sees from its first stopped task until its last one runs again.
struct PauseClock: Sendable {
    private let limit: PauseLimit?
    /// Nanoseconds of CLOCK_MONOTONIC.
    private let began = MonotonicClock.now()

    /// Begins now.
    init(_ limit: PauseLimit?) { self.limit = limit }

    /// When the tree must run again; nil where nothing would be done about it.
    var deadline: Deadline? {
        guard let limit, limit.aborts else { return nil }
        return Deadline(nanoseconds: began &+ limit.budget)
    }

    /// Throws once the pause is too long and the dump is to be given up for that.
    func check() throws(DumpError) {
        if let deadline, deadline.hasPassed { throw .pauseTooLong(excess(elapsed)) }
    }

    /// Nanoseconds since it began.
    var elapsed: UInt64 { MonotonicClock.now() - began }

    /// What is to be said of a pause that took so many nanoseconds.
    ///
    /// Nil where it was short enough, a sentence where it was too long and that is only told; throws where the dump is
    /// to fail for it.
    func judge(_ pause: UInt64) throws(DumpError) -> String? {
        guard let limit, pause > limit.budget else { return nil }
        if limit.aborts { throw .pauseTooLong(excess(pause)) }
        return excess(pause)
    }

    private func excess(_ pause: UInt64) -> String {
        func milliseconds(_ nanoseconds: UInt64) -> String { "\((nanoseconds + 500_000) / 1_000_000) ms" }
        return "the tree was stopped for \(milliseconds(pause)), dump.freeze-budget is "
            + milliseconds(limit?.budget ?? 0)
    }
}
