import CPlatform
import Glibc
import Synchronization

/// The lock of a whole network namespace: nothing goes in or out but what has our mark. Table and name are CRIU's.
///
/// It is gone with this value, or with this process, unless it is made to stay.
final class NamespaceLock: Sendable {
    let table: String
    private let filter: Mutex<PacketFilter>

    /// Made by a thread that is inside, see `take`.
    private init(table: String) throws(PacketFilter.Failure) {
        self.table = table
        let conversation = try PacketFilter()
        try conversation.run(Self.creation(table: table, isOwned: true))
        filter = Mutex(conversation)
    }

    /// Locks the namespace of a descriptor.
    static func take(_ namespace: Int32, table: String) throws(NetworkError) -> NamespaceLock {
        try NetworkNamespace.visit(namespace) { () throws(NetworkError) in
            do throws(PacketFilter.Failure) {
                return try NamespaceLock(table: table)
            } catch {
                throw NetworkError("network namespace", "cannot be locked by nftables: \(error)")
            }
        }
    }

    /// As a stock `criu` has it in its image, and takes away after a restore.
    static func creation(table: String, isOwned: Bool = false) -> String {
        var text = "table inet \(table) {\n" + (isOwned ? "\tflags owner\n\n" : "")
        for hook in ["output", "input"] {
            text += "\tchain \(hook) {\n\t\ttype filter hook \(hook) priority 0; policy drop;\n"
            text += "\t\tmeta mark 0x0000c114 accept\n\t}\n" + (hook == "output" ? "\n" : "")
        }
        return text + "}\n"
    }

    /// Puts a table that stays in its place, in one transaction.
    func persist() throws(NetworkError) {
        try run("delete table inet \(table)\n" + Self.creation(table: table), "cannot be made to stay")
    }

    func release() throws(NetworkError) {
        try run("delete table inet \(table)\n", "cannot be taken away")
    }

    private func run(_ commands: String, _ fact: String) throws(NetworkError) {
        do throws(PacketFilter.Failure) {
            _ = try filter.withLock { (filter) throws(PacketFilter.Failure) in try filter.run(commands) }
        } catch {
            throw NetworkError("lock of a network namespace", "\(fact): \(error)")
        }
    }

    /// Takes away what a dump's image has left in a namespace: CRIU's table, and its rules of iptables.
    ///
    /// Runs inside the namespace. Nothing is there where the tree was dumped without a lock.
    static func removeDumped(runID: String) throws(NetworkError) {
        do throws(PacketFilter.Failure) {
            _ = try NetworkLock.remove(table: ConnectionLock.tableName(runID: runID))
        } catch {
            throw NetworkError("lock of a network namespace", "cannot be taken away: \(error)")
        }
    }

    /// The chain that `criu --network-lock iptables` leaves in an image, in nft's words.
    static func dumpedRules(in ruleset: String) -> Bool {
        ruleset.contains("\tchain CRIU {\n")
    }
}
