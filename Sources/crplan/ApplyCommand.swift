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
    @Option(help: "Only the policy of this name, of those in the files.") var policy: String?
    @Flag(help: "Begun by cron or systemd: prints only what needs attention.") var scheduled = false
    @Flag(help: "Do nothing unless a scheduled time has come since the last run; as --scheduled besides.")
    var ifDue = false

    func validate() throws {
        if ifDue, dryRun || !only.isEmpty {
            throw ValidationError("--if-due begins a whole run and goes with neither --dry-run nor --only")
        }
    }

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
            let run = applier.apply(
                policy, saved: saved, only: only, occasion: isScheduled ? .scheduled : .manual, ifDue: ifDue,
                stop: stop
            ) { _ in }
            if let run { report.runs.append(run) }
        }
        let status = ExitStatus(apply: report)
        // cron mails what is printed: a run that went well, or was skipped as the policy says, is no news.
        let isNews =
            ![.done, .locked, .skipped].contains(status) || report.runs.contains { !$0.notes.isEmpty }
        if !isScheduled || isNews || output.output != nil {
            try output.write(report, prints: !isScheduled || isNews)
        }
        throw status.exit
    }

    private var isScheduled: Bool { scheduled || ifDue }

    /// The policies of files, or those of a saved plan with it.
    private func load() throws -> [(policy: Policy, saved: Plan?)] {
        guard let path = policies.files.first(where: { $0.hasSuffix(".json") }) else {
            let all = try policies.load()
            guard let policy else { return all.map { ($0, nil) } }
            guard let found = all.first(where: { $0.name == policy }) else {
                throw ValidationError(
                    "no policy is named \(policy) here; there are \(all.map(\.name).joined(separator: ", "))")
            }
            return [(found, nil)]
        }
        if ifDue || scheduled || policy != nil {
            throw ValidationError("a saved plan is applied by hand, as it was saved")
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
