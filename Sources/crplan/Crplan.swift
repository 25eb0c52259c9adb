import ArgumentParser

@main
struct Crplan: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "crplan",
        abstract: "Checkpoints and restores Linux process trees by policy.",
        version: version,
        subcommands: [
            ValidateCommand.self, PlanCommand.self, ApplyCommand.self, ExplainCommand.self, ListCommand.self,
            ShowCommand.self, VerifyCommand.self, DumpCommand.self,
            RestoreCommand.self, CheckCommand.self, InternalCommand.self,
        ])

    /// Of this build.
    static var version: String { "0.2.0" }
}
