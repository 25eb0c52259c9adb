import ArgumentParser
import CREngine
import FoundationEssentials
import PolicyModel

/// What the store holds.
struct ListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Lists the checkpoints of a store.")

    enum Format: String, ExpressibleByArgument, CaseIterable {
        case text
        case json
    }

    @Argument(help: "Only those of this policy: its name, or its file, which names the store too.")
    var policy: String?
    @OptionGroup var store: StoreArguments
    @Option(help: "text or json.") var format = Format.text

    /// One checkpoint; without what a manifest tells where that cannot be read.
    struct Row: Codable {
        var id: String
        var path: String
        var created: Date?
        var processes: Int?
        var bytes: UInt64?
        var after: String?
        var isLatest: Bool
        var isPinned: Bool
        /// Connections that are locked now, until a restore or `crplan unlock`.
        var locked: Int?
        var error: String?
    }

    func run() throws {
        var rows: [Row] = []
        for (place, name) in try places() {
            let checkpoints = try orFail { () throws(StoreError) in try place.checkpoints() }
            rows += try checkpoints.filter { name == nil || $0.policy == name }.map { try row($0, in: place) }
        }
        switch format {
        case .json:
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            encoder.dateEncodingStrategy = .iso8601
            print(String(decoding: try encoder.encode(rows), as: UTF8.self))
        case .text where rows.isEmpty: print("no checkpoints")
        case .text: print(ListText(terminal: .output).render(rows))
        }
    }

    /// Where the packet filter cannot be asked, what the dump left is taken to be there still.
    private static func isLocked(_ lock: Manifest.NetworkLockRecord) -> Bool {
        do throws(PacketFilter.Failure) {
            return try lock.isHeld()
        } catch {
            return true
        }
    }

    /// Which stores to look into, and for which policy.
    private func places() throws -> [(store: Store, policy: String?)] {
        guard let policy, policy.contains("/") || policy.hasSuffix(".yaml") || policy.hasSuffix(".yml") else {
            return [(store.store, policy)]
        }
        let arguments = try PolicyArguments.parse([policy])
        return try arguments.load().map { (Store(path: $0.store.path), $0.name) }
    }

    private func row(_ checkpoint: Checkpoint, in place: Store) throws -> Row {
        var row = Row(
            id: checkpoint.id, path: checkpoint.path, isLatest: false, isPinned: checkpoint.isPinned)
        let latest = try orFail { () throws(StoreError) in
            try place.latest(policy: checkpoint.policy, target: checkpoint.target)
        }
        row.isLatest = latest == checkpoint.name
        do throws(StoreError) {
            let manifest = try checkpoint.manifest()
            row.created = manifest.created
            row.processes = manifest.tree.count
            row.bytes = manifest.bytes
            row.after = manifest.after.rawValue
            if let lock = manifest.networkLock, Self.isLocked(lock) { row.locked = lock.connections.count }
        } catch {
            row.error = "\(error)"
        }
        return row
    }
}
