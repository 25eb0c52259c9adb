import ArgumentParser

/// What crplan starts of itself; no interface for people.
struct InternalCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "internal", abstract: "Processes that crplan starts of itself.", shouldDisplay: false,
        subcommands: [
            SuperviseCommand.self, IdleCommand.self, DumpWorkerCommand.self, ExamineCommand.self,
            HoldWritesCommand.self, RPCClientCommand.self, KeepLinksCommand.self,
            KeepTracesCommand.self,
        ])
}
