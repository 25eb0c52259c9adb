/// How a dump goes: the `dump` section.
package struct DumpSettings: Sendable, Equatable, Codable {
    /// What becomes of the tree when its images are durable.
    package enum After: String, Sendable, CaseIterable, Codable {
        case kill
        case leaveRunning = "leave-running"
        case leaveStopped = "leave-stopped"
    }
    /// How files open for writing stay in step with memory when the tree runs on.
    package enum Filesystem: String, Sendable, CaseIterable, Codable {
        case copy
        case appendOnly = "append-only"
        /// A `frozen` hook snapshots them.
        case hook
        case unsafeIgnore = "unsafe-ignore"
    }
    /// Whether a tree that runs on may have connections.
    package enum EstablishedTCP: String, Sendable, CaseIterable, Codable {
        case deny
        /// They break at restore.
        case allow
    }
    /// What to do when the pause outlasts the budget.
    package enum OnBudget: String, Sendable, CaseIterable, Codable {
        /// Thaw and fail.
        case abort
        case warn
    }
    /// How page images are compressed.
    package enum Compress: String, Sendable, CaseIterable, Codable {
        case none
        case zstd
    }
    /// CRIU's --manage-cgroups modes.
    package enum Cgroups: String, Sendable, CaseIterable, Codable {
        case ignore
        case none
        case props
        case soft
        case full
        case strict
    }
    /// How connections are held between dump and restore.
    package enum NetworkLock: String, Sendable, CaseIterable, Codable {
        case nftables
        case iptables
        case skip
    }

    package var after = After.kill
    /// Required with leave-running.
    package var filesystem: Filesystem?
    package var establishedTCP = EstablishedTCP.deny
    /// The longest pause the program may see.
    package var freezeBudget: Duration?
    package var onBudget = OnBudget.abort
    /// To seize the whole tree.
    package var freezeTimeout = Duration.seconds(10)
    /// The whole dump.
    package var timeout = Duration.seconds(600)
    /// Nil: every dump is full.
    package var incremental: IncrementalSettings?
    package var compress = Compress.none
    package var cgroups = Cgroups.soft
    package var networkLock = NetworkLock.nftables

    package init() {}
}

/// Dumps that hold what changed since the one before.
package struct IncrementalSettings: Sendable, Equatable, Codable {
    /// Each how many-th dump is a full one.
    package var fullEvery = 1

    package init() {}
}

/// A program that is called at one stage of a run.
package struct Hook: Sendable, Equatable, Codable {
    /// When in a run a hook is called.
    package enum Stage: String, Sendable, CaseIterable, Codable {
        case beforeScan = "before-scan"
        case beforeFreeze = "before-freeze"
        /// The tree is stopped.
        case frozen
        case beforeThaw = "before-thaw"
        case thawed
        case published
        case runEnd = "run-end"
        case failed
        case beforeRestore = "before-restore"
        /// The tree is stopped.
        case restored
        case resumed
    }
    /// What a failing hook does: end the run, leave out this target, or nothing.
    package enum OnError: String, Sendable, CaseIterable, Codable {
        case abort
        case skip
        case ignore
    }
    package var name = ""
    package var at = Stage.beforeScan
    /// An absolute program path and its arguments; no shell.
    package var argv: [String] = []
    package var timeout = Duration.seconds(30)
    package var onError = OnError.abort

    package init() {}
}
