/// One policy: which process trees to checkpoint, what they may leave behind, where the images go and when.
///
/// Every key has its default, so `Policy(name:)` is the least policy there is. Keys that this build reads but does
/// not act on yet are told by ``unsupportedKeys()``.
package struct Policy: Sendable, Equatable, Codable {
    /// The version of the policy language; 1.
    package var version = 1
    /// `[a-z0-9][a-z0-9-]{0,62}`, unique over all policies that are loaded together.
    package var name = ""
    /// Free text for people.
    package var description = ""
    /// An entry matches when all of its keys match; one matching entry is enough.
    package var select: [Matcher] = []
    /// A match here wins over ``select``.
    package var except: [Matcher] = []
    /// How far a match extends.
    package var tree = TreeExtent.descendants
    /// More targets than this is a refusal.
    package var maxTargets = 64
    /// What to make of a run that finds nothing.
    package var onNoMatch = OnNoMatch.ok
    /// What may lead out of the tree.
    package var allow = Allowances()
    /// How a dump goes.
    package var dump = DumpSettings()
    /// Programs to call at the stages of a run.
    package var hooks: [Hook] = []
    /// Programs to call at CRIU's stages, by absolute path.
    package var actionScripts: [String] = []
    /// Where checkpoints go.
    package var store = StoreSettings()
    /// Which checkpoints stay.
    package var retention = RetentionSettings()
    /// When to run.
    package var schedule = ScheduleSettings()
    /// How several trees go together.
    package var batch = BatchSettings()
    /// What a restore does.
    package var restore = RestoreSettings()
    /// Where the values were written.
    package var source = PolicySource()

    package init(name: String = "") {
        self.name = name
    }

    /// Where the value at a key path (`allow.tcp-established[1]`) was written; nil when it has its default.
    package func mark(_ keyPath: String) -> SourceMark? {
        source.entries[keyPath]?.mark
    }
}

/// How far a match extends over the processes around it.
package enum TreeExtent: String, Sendable, CaseIterable, Codable {
    /// The process alone; living children are a blocker.
    case process
    /// The process and all that descend from it.
    case descendants
    /// All processes of its session.
    case session
    /// All processes of its control group.
    case cgroup
}

/// What to make of a run that finds no process.
package enum OnNoMatch: String, Sendable, CaseIterable, Codable {
    case ok
    case warn
    case fail
}
