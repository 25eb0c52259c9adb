import ArgumentParser
import CREngine
import FoundationEssentials
import PolicyModel

/// What a run would do, and everything in its way.
struct PlanCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "Tells what a run would do and what stands in its way. Changes nothing.",
        discussion: "Exits 3 when something blocks, 2 with --fail-on-warn when there are warnings.")

    @OptionGroup var policies: PolicyArguments
    @OptionGroup var output: ReportOutput
    @Flag(help: "Exit 2 when there are warnings.") var failOnWarn = false

    func run() throws {
        let report = try Self.report(try policies.load())
        try output.write(report)
        throw ExitStatus(plan: report, failsOnWarnings: failOnWarn).exit
    }

    /// The plans of all policies.
    static func report(_ policies: [Policy]) throws -> Report {
        try demand(Capabilities.toScan, to: "look at processes of others")
        let host = HostFacts.collect()
        var report = Report(version: Crplan.version, command: .plan, date: Date.now)
        for policy in policies {
            var run = PolicyRun(policy: policy.name, keepsGoing: policy.batch.keepGoing)
            do throws(PlanError) {
                let planned = try PlanMaker(host: host).plan(policy)
                run.plan = planned.plan
                run.definition = policy
                run.milliseconds = planned.milliseconds
            } catch {
                run.error = "\(error)"
            }
            report.runs.append(run)
        }
        return report
    }
}

/// Where a report goes and in which form.
struct ReportOutput: ParsableArguments {
    enum Format: String, ExpressibleByArgument, CaseIterable {
        case text
        case json
    }

    @Option(help: "text or json.") var format = Format.text
    @Option(name: [.short, .long], help: "Write the report as JSON to this file too.", completion: .file())
    var output: String?

    /// `prints` is false where only the file is wanted.
    func write(_ report: Report, prints: Bool = true) throws {
        if let output {
            do {
                try Data(try report.json().utf8).write(to: URL(filePath: output), options: .atomic)
            } catch {
                printError("crplan: \(output): cannot be written: \(error)")
                throw ExitStatus.failed.exit
            }
        }
        if !prints { return }
        switch format {
        case .text: print(ReportText(terminal: .output).render(report))
        case .json: print(try report.json(), terminator: "")
        }
    }
}
