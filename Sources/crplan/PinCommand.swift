import ArgumentParser
import CREngine
import FoundationEssentials

/// Keeps a checkpoint whatever the policy's retention says.
struct PinCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pin", abstract: "Keeps checkpoints from being pruned.",
        discussion: "Checkpoints that a pinned one needs are kept with it.")

    @Argument(help: "POLICY/TARGET/latest, a path, or the beginning of a name.") var checkpoints: [String]
    @OptionGroup var store: StoreArguments

    func run() throws {
        for checkpoint in try checkpoints.map(store.resolve) {
            let isNew = try orFail { () throws(StoreError) in try checkpoint.pin(at: Date.now) }
            print("\(checkpoint.id): \(isNew ? "pinned" : "was pinned already")")
        }
    }
}

/// Lets a checkpoint be pruned again.
struct UnpinCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unpin", abstract: "Lets pinned checkpoints be pruned again.")

    @Argument(help: "POLICY/TARGET/latest, a path, or the beginning of a name.") var checkpoints: [String]
    @OptionGroup var store: StoreArguments

    func run() throws {
        for checkpoint in try checkpoints.map(store.resolve) {
            let wasPinned = try orFail { () throws(StoreError) in try checkpoint.unpin() }
            print("\(checkpoint.id): \(wasPinned ? "no longer pinned" : "was not pinned")")
        }
    }
}
