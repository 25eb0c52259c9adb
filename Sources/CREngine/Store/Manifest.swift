package import FoundationEssentials
package import PolicyModel

/// `manifest.json`: what a checkpoint is of, what restoring it takes, and the digest of each of its files.
///
/// It is written last, so a directory without one is not a checkpoint. The format is told in docs/store-format.md.
package struct Manifest: Codable, Sendable, Equatable {
    /// The version that this build writes and the only one that it reads.
    package static let currentFormat = 1
    package static let fileName = "manifest.json"

    package struct PolicyRecord: Codable, Sendable, Equatable {
        package var name: String
        /// Of the policy's values, wherever they were written.
        package var digest: Digest
        package init(name: String, digest: Digest) {
            self.name = name
            self.digest = digest
        }
    }

    /// One process, as it was when it was frozen.
    package struct Task: Codable, Sendable, Equatable {
        package var pid: PID
        /// 0 for the root.
        package var parent: PID
        package var comm: String
        /// Nil for a zombie, or where the link could not be read.
        package var exe: String?
        package var threads: Int
        package init(pid: PID, parent: PID, comm: String, exe: String?, threads: Int) {
            self.pid = pid
            self.parent = parent
            self.comm = comm
            self.exe = exe
            self.threads = threads
        }
    }

    /// Something that leads out of the tree and was let go, and what a restore has to make of it.
    package struct Allowed: Codable, Sendable, Equatable {
        /// `CRP210`.
        package var code: String
        /// Which descriptor, address or path of which process.
        package var object: String
        package var sentence: String
        /// What in the policy allowed it, `allow.ext-unix-sk[0]`.
        package var allowance: String
        /// CRIU's option of the same meaning, without dashes.
        package var criuOption: String?
        /// What restore does about it.
        package var atRestore: String?
        package init(
            code: String, object: String, sentence: String, allowance: String, criuOption: String?,
            atRestore: String?
        ) {
            self.code = code
            self.object = object
            self.sentence = sentence
            self.allowance = allowance
            self.criuOption = criuOption
            self.atRestore = atRestore
        }
    }

    package struct File: Codable, Sendable, Equatable {
        /// Below the checkpoint's directory, `images/core-42.img`.
        package var path: String
        /// Bytes.
        package var size: UInt64
        package var sha256: Digest
    }

    /// Microseconds, under the names that CRIU's stats have.
    package struct Times: Codable, Sendable, Equatable {
        package var freezing: UInt64 = 0
        package var frozen: UInt64 = 0
        package var memoryDump: UInt64 = 0
        package var memoryWrite: UInt64 = 0
        package init() {}

        enum CodingKeys: String, CodingKey {
            case freezing = "freezing_time"
            case frozen = "frozen_time"
            case memoryDump = "memdump_time"
            case memoryWrite = "memwrite_time"
        }
    }

    /// What outlives the dump and holds connections still.
    package struct NetworkLockRecord: Codable, Sendable, Equatable {
        /// Of nftables, of the family inet; nil where rules of iptables hold them.
        package var table: String?
        /// `10.1.3.7:40122 -> 203.0.113.9:8443`
        package var connections: [String]
        package init(_ lock: ConnectionLock, by method: DumpSettings.NetworkLock) {
            table = method == .iptables ? nil : lock.table
            connections = lock.connections.map { "\($0.local) -> \($0.remote)" }
        }
    }

    /// What restore does without being told again.
    package struct RestoreRecord: Codable, Sendable, Equatable {
        package var pidfile: String?
        package var logPID = false
        package var detach = true
        package var ifUnlocked = RestoreSettings.IfUnlocked.fail
        package var pidConflict = RestoreSettings.PIDConflict.fail
        /// `fd[3]:pipe[12345]`, in CRIU's spelling of --inherit-fd.
        package var inheritFD: [String] = []
        /// Those of the policy that are for restores; nil for none.
        package var hooks: [Hook]?
        /// The tree joins the session and the terminal of whoever restores; nil for no.
        package var shellJob: Bool?
        /// The policy's, in its order; nil for none.
        package var actionScripts: [String]?
        /// What becomes of control groups; nil for `soft`.
        package var cgroups: DumpSettings.Cgroups?
        /// Where mounts come from that are not made anew; nil for a tree without a mount namespace of its own.
        package var mounts: MountOutside?
        /// Outer ends of pairs of the tree's network namespace; nil for none.
        package var veth: [VethRule]?
        /// Other links, in CRIU's spellings of --external that a restore takes; nil for none.
        package var externalLinks: [String]?
        package init() {}
        package init(_ settings: RestoreSettings) {
            pidfile = settings.pidfile
            logPID = settings.logPID
            detach = settings.detach
            ifUnlocked = settings.ifUnlocked
            pidConflict = settings.pidConflict
            inheritFD = settings.inheritFD.map { "fd[\($0.fd)]:\($0.resource)" }
        }

        /// Takes over what a policy has called at a restore, and what it says of the outside.
        mutating func noteCalls(of policy: Policy) {
            let stages: Set<Hook.Stage> = [.beforeRestore, .restored, .resumed, .failed]
            let called = policy.hooks.filter { stages.contains($0.at) }
            hooks = called.isEmpty ? nil : called
            actionScripts = policy.actionScripts.isEmpty ? nil : policy.actionScripts
            cgroups = policy.dump.cgroups == .soft ? nil : policy.dump.cgroups
            veth = policy.allow.veth.isEmpty ? nil : policy.allow.veth
            let links = policy.allow.external.filter {
                NetworkOutside.isOne($0) && NetworkOutside.refusal($0) == nil
            }
            externalLinks = links.isEmpty ? nil : links
        }
    }

    package var format = Manifest.currentFormat
    package var checkpoint: CheckpointName
    package var created: Date
    /// Version of the crplan that made it.
    package var madeBy: String
    package var policy: PolicyRecord
    /// A stable name, never a pid alone.
    package var target: String
    /// What became of the tree: `kill`, `leave-running`, `leave-stopped`.
    package var after: DumpSettings.After
    /// Parents before children, the root first.
    package var tree: [Task]
    package var allowed: [Allowed] = []
    /// Hard links outside the checkpoint that it needs until it is pruned; nil for none.
    package var helperNames: [HelperNameRecord]?
    /// Connections that are locked until they are restored, or given up; nil for none.
    package var networkLock: NetworkLockRecord?
    package var restore = RestoreRecord()
    /// The checkpoint that this one needs; nil for a full one.
    package var parent: CheckpointName?
    package var host: HostFacts
    package var times = Times()
    /// Of all files together.
    package var bytes: UInt64 = 0
    /// Every file of the checkpoint but the manifest, by path.
    package var files: [File] = []

    package init(
        checkpoint: CheckpointName, created: Date, madeBy: String, policy: PolicyRecord, target: String,
        after: DumpSettings.After, tree: [Task], host: HostFacts
    ) {
        self.checkpoint = checkpoint
        self.created = created
        self.madeBy = madeBy
        self.policy = policy
        self.target = target
        self.after = after
        self.tree = tree
        self.host = host
    }
}

extension Manifest {
    /// As the file holds it, with a newline at the end.
    func encoded() throws(StoreError) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .iso8601
        do {
            return Array(try encoder.encode(self)) + [UInt8(ascii: "\n")]
        } catch {
            throw StoreError(.failed, Manifest.fileName, "cannot be encoded: \(error)")
        }
    }

    /// Throws where the bytes are no manifest, or one of another format version. `path` is for messages.
    static func decoded(_ bytes: [UInt8], path: String) throws(StoreError) -> Manifest {
        struct Version: Decodable {
            var format: Int
        }
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        do {
            let version = try decoder.decode(Version.self, from: Data(bytes)).format
            guard version == currentFormat else {
                throw StoreError(
                    .failed, path, "has format \(version) and this crplan reads format \(currentFormat)",
                    remedy: "use the crplan that wrote it")
            }
            return try decoder.decode(Manifest.self, from: Data(bytes))
        } catch let error as StoreError {
            throw error
        } catch {
            throw StoreError(.failed, path, "is no manifest of crplan: \(ReadableJSONFault(error))")
        }
    }
}

/// A decoding error in one sentence.
struct ReadableJSONFault: CustomStringConvertible {
    let description: String

    init(_ error: any Error) {
        func place(_ path: [any CodingKey]) -> String {
            path.isEmpty ? "the whole" : path.map(\.stringValue).joined(separator: ".")
        }
        switch error {
        case DecodingError.keyNotFound(let key, let context):
            description = "\(key.stringValue) is missing in \(place(context.codingPath))"
        case DecodingError.valueNotFound(_, let context): description = "\(place(context.codingPath)) is null"
        case DecodingError.typeMismatch(_, let context):
            description = "\(place(context.codingPath)) has another type"
        case DecodingError.dataCorrupted(let context):
            description = "\(place(context.codingPath)): \(context.debugDescription)"
        default: description = "\(error)"
        }
    }
}
