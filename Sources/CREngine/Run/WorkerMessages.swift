package import FoundationEssentials
package import PolicyModel

/// What the batch tells a worker process: dump this one tree. One JSON object on descriptor 3.
package struct DumpRequest: Codable, Sendable, Equatable {
    package var policy: Policy
    package var target: String
    package var root: PID
    /// The root's start, in clock ticks after boot: another process of the same number is not dumped.
    package var startTime: UInt64
    /// What the checkpoint is to be called.
    package var checkpoint: CheckpointName
    /// The moment of the run.
    package var date: Date
    /// Never dumped: the asking crplan and what it runs under.
    package var protected: [PID]
    /// The frozen tree must be this one; nil where no saved plan is executed.
    package var planned: TreeFingerprint?
    /// The crplan that asks.
    package var version: String
    /// The trees with the same one are frozen together; their workers meet on descriptor 5. Nil for a tree alone.
    package var group: String?
    package init(
        policy: Policy, target: String, root: PID, startTime: UInt64, checkpoint: CheckpointName, date: Date,
        protected: [PID], planned: TreeFingerprint? = nil, version: String
    ) {
        self.policy = policy
        self.target = target
        self.root = root
        self.startTime = startTime
        self.checkpoint = checkpoint
        self.date = date
        self.protected = protected
        self.planned = planned
        self.version = version
    }

    /// The same job at another moment, under another name in the store.
    func again(at date: Date) -> DumpRequest {
        var next = self
        next.date = date
        next.checkpoint = CheckpointName(at: date)
        return next
    }
}

/// What a worker answers: one JSON object on descriptor 4.
package struct DumpReply: Codable, Sendable, Equatable {
    /// What came of the tree.
    package enum Outcome: String, Codable, Sendable, CaseIterable {
        case dumped
        /// The frozen tree did not fit the policy; it runs on.
        case blocked
        /// The frozen tree was not the one of the saved plan; it runs on.
        case drifted
        /// Something failed; it runs on.
        case failed
        /// A hook said "not now".
        case skipped
        /// A task was left stopped, or was killed without a durable image.
        case unsafe
    }
    package var outcome: Outcome
    /// One line; nil when it went well.
    package var error: String?
    package var findings: [Finding] = []
    package var checkpoint: CheckpointRecord?
    package var warnings: [String] = []
    /// How often it was tried; nil for once.
    package var attempts: Int?
    /// Between worker and batch: a hook ended the whole run.
    var endsRun: Bool?
    /// Between worker and batch: another try may go well.
    var isTransient: Bool?
    /// The worker ended without a word, and called no hook of what followed.
    var workerDied: Bool?
    package init(_ outcome: Outcome, error: String? = nil) {
        self.outcome = outcome
        self.error = error
    }
}
