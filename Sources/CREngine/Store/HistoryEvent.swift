package import FoundationEssentials

/// One thing that happened to a policy: one line of its history. Which kinds have which values is told in
/// docs/store-format.md.
package struct HistoryEvent: Codable, Sendable, Equatable {
    /// A struct, not an enum, so that a kind that this build does not know is kept.
    package struct Kind: RawRepresentable, Codable, Hashable, Sendable {
        package let rawValue: String
        package init(rawValue: String) { self.rawValue = rawValue }

        package static let started = Kind(rawValue: "started")
        package static let target = Kind(rawValue: "target")
        package static let finished = Kind(rawValue: "finished")
        package static let skipped = Kind(rawValue: "skipped")
        package static let lockTakenOver = Kind(rawValue: "lock-taken-over")
        package static let pruned = Kind(rawValue: "pruned")
    }

    package var event: Kind
    /// Written with whole seconds.
    package var at: Date
    /// The same for all events of one run; nil where none was begun.
    package var run: String?
    /// Who began it: a ``RunOccasion``.
    package var occasion: String?
    /// The scheduled time that it answers.
    package var due: Date?
    /// A ``RunOutcome``, or of a target a ``DumpReply/Outcome``.
    package var outcome: String?
    package var target: String?
    package var pid: Int32?
    /// `POLICY/TARGET/NAME`.
    package var checkpoint: String?
    /// Of the checkpoint, or what pruning freed.
    package var bytes: UInt64?
    /// Microseconds from the first stopped thread until the tree ran on, or until its images were complete.
    package var frozen: UInt64?
    /// The digests were read back.
    package var confirmed: Bool?
    /// How many trees the run had to do with; nil when it never got so far.
    package var targets: Int?
    package var milliseconds: UInt64?
    /// Of a lock that was taken over, or of the run that kept another one from being begun.
    package var holder: LockHolder?
    /// The checkpoints that pruning deleted.
    package var deleted: [String]?
    /// One line.
    package var error: String?

    package init(_ event: Kind, at: Date, run: String? = nil) {
        self.event = event
        self.at = at
        self.run = run
    }
    /// What retention did; nil where it had nothing to do. `run` is nil for pruning on its own.
    package init?(pruning record: PruneRecord, at: Date, run: String? = nil) {
        if record.deleted.isEmpty && record.warnings.isEmpty { return nil }
        self.init(.pruned, at: at, run: run)
        deleted = record.deleted.map(\.id)
        bytes = record.freed
        error = record.warnings.first
    }
}
