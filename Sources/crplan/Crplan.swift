import ArgumentParser

@main
struct Crplan: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "crplan",
        abstract: "Checkpoints and restores Linux process trees by policy.",
        subcommands: [
            ValidateCommand.self, ListCommand.self, ShowCommand.self, VerifyCommand.self, DumpCommand.self,
            RestoreCommand.self, CheckCommand.self, InternalCommand.self,
        ])
}
