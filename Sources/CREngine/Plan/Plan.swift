package import FoundationEssentials

/// What a run would do, and everything that stands in its way. Stopping, writing and changing nothing makes it.
///
/// The JSON form is a contract: `schema` grows with any change that a reader could trip over.
package struct Plan: Equatable, Sendable, Codable {
    package var schema = 1
    package var policy: String
    /// Of the policy's values, wherever they were written.
    package var policyDigest: Digest
    package var created: Date
    package var host: HostFacts
    /// Processes that the selection looked at.
    package var examined: Int
    /// What concerns the policy as a whole.
    package var findings: [Finding]
    /// By start time of their roots.
    package var targets: [PlannedTarget]

    package init(
        policy: String, policyDigest: Digest, created: Date, host: HostFacts, examined: Int,
        findings: [Finding],
        targets: [PlannedTarget]
    ) {
        self.policy = policy
        self.policyDigest = policyDigest
        self.created = created
        self.host = host
        self.examined = examined
        self.findings = findings
        self.targets = targets
    }

    /// Whether something forbids every target.
    package var isBlocked: Bool { findings.contains { $0.severity == .block } }
    package var ready: [PlannedTarget] { isBlocked ? [] : targets.filter { !$0.isBlocked } }
    package var blockerCount: Int {
        (findings + targets.flatMap(\.findings)).count { $0.severity == .block }
    }
    package var warningCount: Int {
        (findings + targets.flatMap(\.findings)).count { $0.severity == .warn }
    }
}

/// One tree of a plan.
package struct PlannedTarget: Equatable, Sendable, Codable {
    /// Stable over runs.
    package var name: String
    package var pid: PID
    package var comm: String
    /// The targets with the same one are frozen together: `session 4711`. Nil for a target alone.
    package var group: String?
    package var processes: Int
    package var threads: Int
    /// Bytes; what processes share is counted for each.
    package var resident: UInt64
    package var findings: [Finding]
    /// In order; empty where the target is blocked.
    package var steps: [PlanStep]
    package var fingerprint: TreeFingerprint

    package init(
        name: String, pid: PID, comm: String, processes: Int, threads: Int, resident: UInt64,
        findings: [Finding], steps: [PlanStep], fingerprint: TreeFingerprint
    ) {
        self.name = name
        self.pid = pid
        self.comm = comm
        self.processes = processes
        self.threads = threads
        self.resident = resident
        self.findings = findings
        self.steps = steps
        self.fingerprint = fingerprint
    }

    package var isBlocked: Bool { findings.contains { $0.severity == .block } }
}

/// One step of the execution, as data.
package enum PlanStep: Equatable, Sendable, Codable {
    /// Seize and stop every task below the root.
    case freeze(root: PID)
    /// Take a snapshot of the frozen tree and decide again by it.
    case decideAgain
    /// Read one process: registers, memory, what only it can tell.
    case dumpProcess(PID)
    /// Read one kernel object behind descriptors.
    case dumpObject(kind: FileTag, name: String)
    /// Write a checkpoint into the store, sync it and give it its name.
    case publish(directory: String)
    case kill(root: PID)
    case thaw(root: PID)
    /// Let go, stopped as by SIGSTOP.
    case leaveStopped(root: PID)
}
