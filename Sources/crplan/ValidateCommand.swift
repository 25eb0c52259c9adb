import ArgumentParser
import PolicyModel

/// Reads policies and tells every fault in them.
struct ValidateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "validate", abstract: "Checks policy files and tells each fault with its place.",
        discussion: "Exits 78 when a file has a fault.")

    @OptionGroup var policies: PolicyArguments

    func run() throws {
        for policy in try policies.load() {
            print("\(policy.source.file): policy \(policy.name) is valid")
            for key in policy.unsupportedKeys() {
                let place = key.mark.map(\.description) ?? policy.source.file
                printError("\(place): note: \(key.keyPath) has no effect in this build and blocks a plan")
            }
        }
    }
}
