package import FoundationEssentials

/// What a plan found or a run did: the JSON contract, version 1.
package struct Report: Codable, Sendable, Equatable {
    package enum Command: String, Codable, Sendable {
        case plan
        case apply
    }
    package var schema = 1
    /// The version of crplan.
    package var version: String
    package var command: Command
    package var date: Date
    package var host: HostFacts
    package var policies: [ReportedPolicy] = []

    package init(version: String, command: Command, date: Date, host: HostFacts) {
        self.version = version
        self.command = command
        self.date = date
        self.host = host
    }

    /// As JSON, with a newline at the end.
    package func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .iso8601
        return String(decoding: try encoder.encode(self), as: UTF8.self) + "\n"
    }
}

/// One policy's part of a report.
package struct ReportedPolicy: Codable, Sendable, Equatable {
    package var name: String
    package var digest: Digest
    /// The file as the operator named it.
    package var file: String
    package var maxTargets: Int
    package var keepGoing: Bool
    package var onNoMatch: String
    /// Processes that the selection looked at.
    package var examined: Int
    /// How long looking took, milliseconds.
    package var milliseconds: UInt64
    /// What concerns the policy as a whole.
    package var findings: [ReportedFinding] = []
    package var targets: [ReportedTarget] = []
    /// Another run holds the policy's lock.
    package var lockedBy: String?

    package init(
        name: String, digest: Digest, file: String, maxTargets: Int, keepGoing: Bool, onNoMatch: String,
        examined: Int, milliseconds: UInt64
    ) {
        self.name = name
        self.digest = digest
        self.file = file
        self.maxTargets = maxTargets
        self.keepGoing = keepGoing
        self.onNoMatch = onNoMatch
        self.examined = examined
        self.milliseconds = milliseconds
    }

    package var isTooMany: Bool { targets.count > maxTargets }
    /// Whether something forbids every target.
    package var isBlocked: Bool { isTooMany || findings.contains { $0.severity == .block } }
}

/// One tree's part of a report.
package struct ReportedTarget: Codable, Sendable, Equatable {
    package enum Status: String, Codable, Sendable {
        /// A plan found nothing in the way.
        case ready
        case blocked
        case dumped
        case failed
        case skipped
        /// A task was left stopped, or killed without a durable image.
        case unsafe
    }
    /// `solver-1f0c`, stable over runs.
    package var name: String
    package var comm: String
    package var pid: PID
    /// In clock ticks after boot.
    package var startTime: UInt64
    package var processes: Int
    package var threads: Int
    /// Resident, bytes.
    package var resident: UInt64
    package var status: Status
    package var findings: [ReportedFinding] = []
    /// One line, when it failed.
    package var error: String?
    package var checkpoint: CheckpointRecord?

    package init(
        name: String, comm: String, pid: PID, startTime: UInt64, processes: Int, threads: Int,
        resident: UInt64, status: Status
    ) {
        self.name = name
        self.comm = comm
        self.pid = pid
        self.startTime = startTime
        self.processes = processes
        self.threads = threads
        self.resident = resident
        self.status = status
    }
}

/// What a dump left in the store.
package struct CheckpointRecord: Codable, Sendable, Equatable {
    /// `POLICY/TARGET/NAME`.
    package var id: String
    package var path: String
    package var bytes: UInt64
    package var times: Manifest.Times
    /// The digests were read back and `latest` leads here.
    package var isConfirmed: Bool
    package init(id: String, path: String, bytes: UInt64, times: Manifest.Times, isConfirmed: Bool) {
        self.id = id
        self.path = path
        self.bytes = bytes
        self.times = times
        self.isConfirmed = isConfirmed
    }
}

/// One finding of a scan or of a run.
package struct ReportedFinding: Codable, Sendable, Equatable {
    package enum Severity: String, Codable, Sendable, CaseIterable {
        case block
        case warn
        case allowed
        case info
    }
    /// `CRP221`
    package var code: String
    package var severity: Severity
    /// What it is about, without whose it is: `established tcp 10.1.3.7:40122 -> 203.0.113.9:8443`.
    package var object: String
    package var pid: PID?
    package var tid: TID?
    package var fd: Int32?
    /// Start of an area of memory.
    package var address: UInt64?
    package var inode: UInt64?
    package var path: String?
    /// Who holds the other end.
    package var peer: String?
    /// Key path in the policy.
    package var key: String?
    /// What and why, one sentence.
    package var sentence: String?
    /// The YAML that would allow it, or the key that does.
    package var allowance: String?
    /// CRIU's name for it, `ext-unix-sk`.
    package var criuOption: String?
    /// What restore makes of it.
    package var atRestore: String?
    package init(code: String, severity: Severity, object: String) {
        self.code = code
        self.severity = severity
        self.object = object
    }

    /// Where it is, in one phrase: `pid 4711 fd 6`; nil when the finding has no place.
    package var place: String? {
        var parts: [String] = []
        if let pid { parts.append("pid \(pid)") }
        if let fd { parts.append("fd \(fd)") }
        if let key { parts.append(key) }
        return parts.isEmpty ? nil : parts.joined(separator: " ")
    }
}
