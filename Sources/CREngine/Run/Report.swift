package import FoundationEssentials
package import PolicyModel

/// What a plan found or a run did: the JSON contract. `schema` grows with any change that a reader could trip over.
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
    package var runs: [PolicyRun] = []

    package init(version: String, command: Command, date: Date) {
        self.version = version
        self.command = command
        self.date = date
    }

    /// Reads what `json` wrote. Throws DecodingError, or where the schema is another one.
    package static func decoded(_ bytes: [UInt8], name: String) throws -> Report {
        struct Version: Decodable {
            var schema: Int
        }
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        let schema = try decoder.decode(Version.self, from: Data(bytes)).schema
        guard schema == 1 else {
            throw StoreError(
                .failed, name, "has schema \(schema) and this crplan reads schema 1", remedy: "plan again")
        }
        return try decoder.decode(Report.self, from: Data(bytes))
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
package struct PolicyRun: Codable, Sendable, Equatable {
    package var policy: String
    /// The policy itself, in a plan that can be saved and applied.
    package var definition: Policy?
    /// Nil when it could not be made.
    package var plan: Plan?
    /// How long the look at the processes took.
    package var milliseconds: UInt64 = 0
    /// `batch.keep-going`
    package var keepsGoing: Bool
    /// What became of the targets; empty for a plan.
    package var results: [TargetResult] = []
    /// What retention deleted after checkpoints were published; nil where it had nothing to look at.
    package var pruned: PruneRecord?
    /// Why nothing was planned or begun, one line.
    package var error: String?
    /// Another run of the policy is under way.
    package var isLocked = false
    /// A hook put the whole run off.
    package var isSkipped = false
    /// How the trees differ from the saved plan, one line each; nothing was begun then.
    package var drift: [String] = []
    /// Lines for the operator that are no findings.
    package var notes: [String] = []

    package init(policy: String, keepsGoing: Bool) {
        self.policy = policy
        self.keepsGoing = keepsGoing
    }
}

/// What became of one target.
package struct TargetResult: Codable, Sendable, Equatable {
    package var target: String
    package var pid: PID
    package var reply: DumpReply
    package init(target: String, pid: PID, reply: DumpReply) {
        self.target = target
        self.pid = pid
        self.reply = reply
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
