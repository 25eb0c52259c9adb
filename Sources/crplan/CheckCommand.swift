import ArgumentParser
import CREngine

/// Tries out what the engine needs of the kernel, as `criu check` does.
struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Tries out what dump and restore need of the kernel and of privileges.")

    func run() throws {
        let check = KernelCheck.run()
        let terminal = Terminal.output
        let width = check.results.map(\.feature.count).max() ?? 0
        for result in check.results {
            let name = result.feature + String(repeating: " ", count: width - result.feature.count)
            switch result.state {
            case .present: print("\(name)  \(terminal.paint("ok", .green))")
            case .absent: print("\(name)  \(terminal.paint("absent", .yellow)): \(result.remedy)")
            case .missing: print("\(name)  \(terminal.paint("MISSING", .red)): \(result.remedy)")
            }
        }
        if check.isGood {
            print("Looks good.")
        } else {
            print("Does not look good: what is missing above is needed.")
            throw ExitStatus.failed.exit
        }
    }
}
