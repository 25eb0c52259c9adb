import ArgumentParser

@main
struct Crplan: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "crplan",
        abstract: "Checkpoints and restores Linux process trees by policy.",
        subcommands: [RestoreCommand.self, InternalCommand.self])
}
