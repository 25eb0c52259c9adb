import ArgumentParser
import CREngine
import FoundationEssentials
import PolicyModel

/// Plans, and executes what is ready.
struct ApplyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apply", abstract: "Checkpoints the trees that policies select.",
        discussion: """
            Exits 0 when all is done, 4 when some targets are and some are not, 3 when something blocks and nothing \
            was done, 7 when another run of the policy is under way, 9 when a task was left stopped or lost.
            """)

    @OptionGroup var policies: PolicyArguments
    @OptionGroup var output: ReportOutput
    @Flag(help: "Plan only.") var dryRun = false
    @Option(help: "Only the target of this name or pid; may be given again.") var only: [String] = []

    func run() throws {
        let policies = try policies.load()
        if dryRun {
            let report = try PlanCommand.report(policies)
            try output.write(report)
            throw ExitStatus(plan: report, failsOnWarnings: false).exit
        }
        try demand(Capabilities.toDump, to: "checkpoint processes of others")
        let stop = try StopSignals()
        let applier = PolicyApplier(host: .collect(), version: Crplan.version)
        var report = Report(version: Crplan.version, command: .apply, date: Date.now)
        for policy in policies {
            report.runs.append(applier.apply(policy, only: only, stop: stop) { _ in })
        }
        try output.write(report)
        throw ExitStatus(apply: report).exit
    }
}
