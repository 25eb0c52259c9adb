import CREngine
import FoundationEssentials
import PolicyModel

/// All that `crplan match` found: the JSON contract. `schema` grows with any change that a reader could trip over.
struct MatchDocument: Codable, Equatable {
    var schema = 1
    /// One a policy.
    var policies: [MatchReport]

    /// As JSON, with a newline at the end.
    func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self) + "\n"
    }
}

/// What `crplan match` has to say of one policy.
struct MatchReport: Codable, Equatable {
    /// A process that is selected.
    struct Match: Codable, Equatable {
        var pid: Int32
        var comm: String
        /// `select[0]`; nil for a root that came with the session or control group of another one.
        var entry: String?
        /// What it is frozen together with; nil for a tree alone.
        var group: String?
    }
    /// A process that meets an entry and is no target.
    struct Exclusion: Codable, Equatable {
        var pid: Int32
        var comm: String
        /// One phrase.
        var reason: String
    }
    /// A process that meets a part of an entry.
    struct Near: Codable, Equatable {
        var pid: Int32
        var comm: String
        var entry: String
        /// Keys of the entry that it meets.
        var meets: [String]
        var refused: [Refusal]
    }
    /// A key that a process does not meet.
    struct Refusal: Codable, Equatable {
        var key: String
        /// As the policy has it.
        var wanted: String
        /// What the process has; nil where the kernel does not show it.
        var value: String?
    }

    var policy: String
    var tree: TreeExtent
    /// Processes that were looked at.
    var examined: Int
    /// How long that took.
    var milliseconds: UInt64
    var matches: [Match]
    var excluded: [Exclusion]
    /// Most keys met first; no more than were asked for.
    var nearMisses: [Near]
    /// How many there are.
    var nearMissCount: Int
    /// Of the selection and of the policy as a whole, as a plan has them.
    var findings: [Finding]
}

extension MatchReport {
    /// Looks at this host.
    init(_ policy: Policy, nearest limit: Int) throws(CollectorError) {
        let begin = MonotonicClock.now()
        let list = try ProcessList.collect(ProcessNeeds(policy))
        let names = Selection.Names.resolve(policy)
        let selection = Selection.select(policy, from: list, names: names)
        let near = NearMiss.find(
            policy, from: list, names: names, besides: Set(selection.matches.map(\.process.pid)),
            limit: limit)
        milliseconds = (MonotonicClock.now() - begin) / 1_000_000
        self.policy = policy.name
        tree = policy.tree
        examined = selection.examined
        findings =
            selection.findings + DumpPlanner.policyFindings(policy, count: selection.matches.count)
        matches = selection.matches.map {
            Match(
                pid: $0.process.pid.rawValue, comm: $0.process.comm,
                entry: $0.entry.map { "select[\($0)]" }, group: $0.group)
        }
        let comms =
            selection.excluded.isEmpty
            ? [:] : Dictionary(list.processes.map { ($0.pid, $0.comm) }) { first, _ in first }
        excluded = selection.excluded.sorted { $0.key < $1.key }.map { pid, reason in
            Exclusion(pid: pid.rawValue, comm: comms[pid] ?? "", reason: reason.text)
        }
        nearMissCount = near.count
        nearMisses = near.nearest.map { miss in
            let entry = "select[\(miss.entry)]"
            return Near(
                pid: miss.process.pid.rawValue, comm: miss.process.comm, entry: entry, meets: miss.met,
                refused: miss.refusals.map { refusal in
                    let key = refusal.criterion.key
                    return Refusal(
                        key: key, wanted: policy.source.entries["\(entry).\(key)"]?.text ?? "",
                        value: refusal.criterion.named(refusal.value))
                })
        }
    }
}

extension Selection.Exclusion {
    /// One phrase.
    var text: String {
        switch self {
        case .excepted(let place): "except[\(place)] takes it out"
        case .nested(let top): "part of the tree of \(top)"
        case .protected: "never selected: the first process, crplan, or what crplan runs under"
        }
    }
}

extension Criterion {
    /// A value for people: a user or group with its name on this host.
    func named(_ value: String?) -> String? {
        guard let value, let number = UInt32(value) else { return value }
        switch self {
        case .user: return HostName.ofUser(number).map { "\($0) (\(number))" } ?? value
        case .group: return HostName.ofGroup(number).map { "\($0) (\(number))" } ?? value
        default: return value
        }
    }
}
