package import FoundationEssentials
import PolicyModel

/// What one tree holds, without the judgement of a policy: the answer of `crplan scan`.
package struct TreeScan: Codable, Sendable, Equatable {
    /// One thing that a dump has to say something of.
    package struct Item: Codable, Sendable, Equatable {
        package var code: FindingCode
        package var title: String
        package var object: FindingObject
        package var what: String
        /// The YAML that a policy would allow it by; nil where none can.
        package var allowance: String?
        package var criu: String?
    }
    package var schema = 1
    package var version: String
    package var date: Date
    package var pid: PID
    package var comm: String
    package var processes: Int
    package var threads: Int
    /// Bytes; what processes share is counted for each.
    package var resident: UInt64
    /// What leads out of the tree.
    package var leaving: [Item]
    /// What stays in the tree and needs a dump's care or cannot be carried.
    package var inside: [Item]

    /// Looks at a running tree. Stops and changes nothing.
    package static func look(
        at root: PID, version: String, now: Date
    ) throws(CollectorError) -> TreeScan {
        let snapshot = try Collector.collect(root: root, scope: .live)
        return TreeScan(snapshot, version: version, now: now)
    }

    init(_ snapshot: Snapshot, version: String, now: Date) {
        // How large a deleted file may be is for a policy to say.
        var allow = Allowances()
        allow.ghostLimit = .auto
        let items = Scanner.scan(snapshot, allow: allow).map { finding in
            Item(
                code: finding.code, title: finding.code.entry.title, object: finding.object,
                what: finding.what, allowance: finding.remedy, criu: finding.criu)
        }
        self.version = version
        date = now
        pid = snapshot.root
        comm = snapshot.task(snapshot.root)?.comm ?? ""
        processes = snapshot.tasks.count
        threads = snapshot.threadCount
        resident = snapshot.residentBytes
        leaving = items.filter(\.code.leavesTree)
        inside = items.filter { !$0.code.leavesTree }
    }

    /// As JSON, with a newline at the end.
    package func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .iso8601
        return String(decoding: try encoder.encode(self), as: UTF8.self) + "\n"
    }
}
