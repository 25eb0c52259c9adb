import ArgumentParser
import CREngine

/// Reads checkpoints back and compares them with their manifests.
struct VerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Reads checkpoints back and tells every damage.",
        discussion: "Without an argument all checkpoints of the store are read. Exits 8 when one is damaged.")

    @Argument(help: "POLICY/TARGET/latest, a path, or the beginning of a name.") var checkpoints: [String] =
        []
    @OptionGroup var store: StoreArguments

    func run() throws {
        let found =
            checkpoints.isEmpty
            ? try orFail { () throws(StoreError) in try store.store.checkpoints() }
            : try checkpoints.map { try store.resolve($0) }
        var isGood = true
        for checkpoint in found {
            let problems = try orFail { () throws(StoreError) in try checkpoint.verify() }
            if problems.isEmpty { print("\(checkpoint.id): good") }
            for problem in problems { printError("\(checkpoint.id): \(problem)") }
            isGood = isGood && problems.isEmpty
        }
        if !isGood { throw ExitStatus.verificationFailed.exit }
    }
}
