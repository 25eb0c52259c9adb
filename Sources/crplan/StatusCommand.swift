import ArgumentParser
import CREngine
import FoundationEssentials
import PolicyModel

/// How policies fare.
struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract:
            "Tells the newest good checkpoint of each target, its age against the schedule, and the last run.",
        discussion: """
            With --nagios exits as a Nagios plugin does: 0 ok, 1 warning, 2 critical, 3 unknown. Else exits 0 when \
            the status could be told, whatever it is.
            """)

    enum Form: String, EnumerableFlag {
        case nagios
        case prometheus

        static func help(for value: Form) -> ArgumentHelp? {
            switch value {
            case .nagios: "One line with performance data, and the exit code of a plugin."
            case .prometheus: "Metrics for the textfile collector of Prometheus's node exporter."
            }
        }
    }

    @Argument(
        help: "Policy files, or directories of them; \(PruneCommand.defaultPolicies) without.",
        completion: .file(extensions: ["yaml", "yml"]))
    var files: [String] = []
    @Flag(exclusivity: .exclusive) var form: Form?
    @Option(help: "text or json.") var format = ReportOutput.Format.text
    @Option(
        name: [.short, .long], help: "Replace this file in one step instead of printing.", completion: .file()
    )
    var output: String?

    func run() throws {
        let policies = try load()
        let now = Date.now
        var damage: [String] = []
        let statuses = policies.map { policy -> PolicyStatus in
            do {
                return try StatusCollector().status(of: policy, now: now, damage: &damage)
            } catch {
                return PolicyStatus(unreadable: policy.name, because: "\(error)")
            }
        }
        for line in damage { printError("crplan: \(line)") }
        let text: String
        switch (form, format) {
        case (.nagios, _): text = NagiosText.line(statuses, now: now) + "\n"
        case (.prometheus, _): text = PrometheusText.render(statuses)
        case (nil, .json): text = try reportJSON(statuses) + "\n"
        case (nil, .text):
            text = StatusText(terminal: .output, now: now).lines(statuses).joined(separator: "\n") + "\n"
        }
        if let output { try write(text, to: output) } else { print(text, terminator: "") }
        if form == .nagios { throw NagiosText.exit(statuses) }
    }

    /// A monitor must be told of a policy that cannot be read in its own way.
    private func load() throws -> [Policy] {
        let paths = files.isEmpty ? [PruneCommand.defaultPolicies] : files
        guard form == .nagios else { return try PolicyArguments.parse(paths).load() }
        do throws(PolicyError) {
            return try PolicyLoader().load(paths: paths)
        } catch {
            let first = error.diagnostics.first.map { "\($0.file): \($0.message)" } ?? "no policy"
            print("CRPLAN UNKNOWN - " + NagiosText.plain(first))
            throw ExitCode(3)
        }
    }

    private func write(_ text: String, to path: String) throws {
        do {
            try Data(text.utf8).write(to: URL(filePath: path), options: .atomic)
        } catch {
            printError("crplan: \(path): cannot be written: \(error)")
            throw ExitStatus.failed.exit
        }
    }
}
