import ArgumentParser

@main
struct Crplan: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "crplan",
        abstract: "Checkpoints and restores Linux process trees by policy.",
        subcommands: [DumpCommand.self, RestoreCommand.self, InternalCommand.self])
}
