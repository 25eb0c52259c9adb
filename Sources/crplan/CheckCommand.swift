import ArgumentParser
import CREngine

/// Tries out what the engine needs of the kernel, as `criu check` does.
struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Tries out what dump and restore need of the kernel and of privileges.")

    @Option(name: [.customShort("W"), .customLong("work-dir")], help: "Directory of the log.")
    var workDirectory = "."
    @Option(name: [.customShort("o"), .customLong("log-file")], help: "Log file, in the work directory.")
    var logFile: String?
    @Option(
        name: [.customShort("v", allowingJoined: true), .customLong("verbosity")],
        help: "0 to 4; below 2 only what is missing is told.")
    var verbosity = 2

    func validate() throws {
        guard (0...4).contains(verbosity) else { throw ValidationError("-v takes 0 to 4") }
    }

    func run() throws {
        let check = KernelCheck.run()
        let lines = check.results.filter { verbosity >= 2 || $0.state == .missing }
        if let logFile {
            let path = logFile.hasPrefix("/") ? logFile : workDirectory + "/" + logFile
            let log = try NamedPath.log(path, level: .info)
            for line in rows(lines, Terminal(usesColour: false, width: .max)) { log.info(line) }
        } else {
            for line in rows(lines, .output) { print(line) }
        }
        if check.isGood {
            print("Looks good.")
        } else {
            print("Does not look good: what is missing above is needed.")
            throw ExitStatus.failed.exit
        }
    }

    private func rows(_ results: [KernelCheck.Result], _ terminal: Terminal) -> [String] {
        let width = results.map(\.feature.count).max() ?? 0
        return results.map { result in
            let name = result.feature + String(repeating: " ", count: width - result.feature.count)
            return switch result.state {
            case .present: "\(name)  \(terminal.paint("ok", .green))"
            case .absent: "\(name)  \(terminal.paint("absent", .yellow)): \(result.remedy)"
            case .missing: "\(name)  \(terminal.paint("MISSING", .red)): \(result.remedy)"
            }
        }
    }
}
