import ArgumentParser

@main
struct Crplan: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "crplan",
        abstract: "Checkpoints and restores Linux process trees by policy.",
        version: version,
        subcommands: [
            ValidateCommand.self, SchemaCommand.self, MatchCommand.self, ScanCommand.self,
            SuggestCommand.self,
            PlanCommand.self, ApplyCommand.self, ExplainCommand.self, ListCommand.self,
            ShowCommand.self, VerifyCommand.self, PinCommand.self, UnpinCommand.self, PruneCommand.self,
            UnlockCommand.self,
            DumpCommand.self,
            RestoreCommand.self, ScheduleCommand.self, StatusCommand.self, HistoryCommand.self,
            CheckCommand.self, CRIUCommand.self, InternalCommand.self,
        ])

    /// Of this build.
    static var version: String { "0.2.0" }

    static func main() {
        do {
            let given = Array(CommandLine.arguments.dropFirst())
            let words = CRIUCommand.words(CommandLine.arguments.first ?? "", given) ?? given
            var command = try parseAsRoot(CRIUSpelling.words(words))
            try command.run()
        } catch {
            if let option = CRIUOption.unknown(in: message(for: error)) {
                printError(
                    "crplan: \(option): this option of CRIU is not there yet; `crplan help dump` shows those that are"
                )
                exit(withError: ExitStatus.usage.exit)
            }
            exit(withError: error)
        }
    }
}
