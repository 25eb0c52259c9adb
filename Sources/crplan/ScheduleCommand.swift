import ArgumentParser

/// Who starts a policy's runs, and when.
struct ScheduleCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "schedule",
        abstract: "Hands schedules to cron or systemd, and tells the coming run times.",
        subcommands: [
            ScheduleNextCommand.self, ScheduleInstallCommand.self, ScheduleRemoveCommand.self,
            ScheduleListCommand.self,
        ])
}
