import ArgumentParser
import CREngine

/// Gives up connections that a checkpoint holds.
struct UnlockCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unlock",
        abstract: "Takes away the lock of a checkpoint's TCP connections.",
        discussion: """
            A dump that kills leaves its connections to the outside locked, so that no peer hears of it before the \
            restore. Without the lock a peer that sends gets a reset, and a restore needs --tcp-close.
            """)

    @Argument(help: "POLICY/TARGET/latest, a path, or the beginning of a name.") var checkpoint: String
    @OptionGroup var store: StoreArguments

    func run() throws {
        let found = try store.resolve(checkpoint)
        let manifest = try orFail { () throws(StoreError) in try found.manifest() }
        guard let lock = manifest.networkLock else {
            print("\(found.id) has no locked connections")
            return
        }
        do throws(PacketFilter.Failure) {
            let wasThere = try lock.remove()
            let count = Counted.text(lock.connections.count, "connection", "connections")
            print(wasThere ? "unlocked \(count) of \(found.id)" : "\(found.id) is not locked any more")
        } catch {
            printError("crplan: \(lock.name) cannot be taken away: \(error)")
            throw ExitStatus.failed.exit
        }
    }
}
