import ArgumentParser
import CREngine
import FoundationEssentials
import PolicyModel

/// Plans, and executes what is ready.
struct ApplyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apply", abstract: "Checkpoints the trees that policies, or a saved plan, select.",
        discussion: """
            Exits 0 when all is done, 4 when some targets are and some are not, 3 when something blocks and nothing \
            was done, 5 when a tree is not as it was planned, 7 when another run of the policy is under way, 9 when a task was left stopped or lost.
            """)

    @OptionGroup var policies: PolicyArguments
    @OptionGroup var output: ReportOutput
    @Flag(help: "Plan only.") var dryRun = false
    @Option(help: "Only the target of this name or pid; may be given again.") var only: [String] = []

    func run() throws {
        let work = try load()
        if dryRun {
            let report = try PlanCommand.report(work.map(\.policy))
            try output.write(report)
            throw ExitStatus(plan: report, failsOnWarnings: false).exit
        }
        try demand(Capabilities.toDump, to: "checkpoint processes of others")
        let stop = try StopSignals()
        let applier = PolicyApplier(host: .collect(), version: Crplan.version)
        var report = Report(version: Crplan.version, command: .apply, date: Date.now)
        for (policy, saved) in work {
            report.runs.append(applier.apply(policy, saved: saved, only: only, stop: stop) { _ in })
        }
        try output.write(report)
        throw ExitStatus(apply: report).exit
    }

    /// The policies of files, or those of a saved plan with it.
    private func load() throws -> [(policy: Policy, saved: Plan?)] {
        guard let path = policies.files.first(where: { $0.hasSuffix(".json") }) else {
            return try policies.load().map { ($0, nil) }
        }
        guard policies.files.count == 1 else {
            throw ValidationError("a saved plan is applied alone, without policies or other plans")
        }
        do {
            let bytes = try OwnedFD.open(path, 0).readToEnd()
            return try Report.decoded(bytes, name: path).runs.compactMap { run in
                run.definition.map { ($0, run.plan) }
            }
        } catch {
            printError("crplan: \(path): no saved plan can be read from it: \(error)")
            throw ExitStatus.invalidPolicy.exit
        }
    }
}
