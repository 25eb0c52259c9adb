import ArgumentParser
import CREngine

/// What a finding means.
struct ExplainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain", abstract: "Tells what a finding means and what allows it.",
        discussion: "Without a code all codes are listed.")

    @Argument(help: "As in a report, CRP221.") var code: String?

    func run() throws {
        let terminal = Terminal.output
        guard let code else {
            for code in FindingCode.allCases { print("\(code.rawValue)  \(code.entry.title)") }
            return
        }
        guard let found = FindingCode(rawValue: code.uppercased()) else {
            printError("crplan: \(code): no finding has this code; `crplan explain` lists them")
            throw ExitStatus.usage.exit
        }
        let entry = found.entry
        print("\(terminal.paint(found.rawValue, .bold))  \(entry.title)  (\(entry.severity.rawValue))")
        print("  " + terminal.wrap(entry.why, indent: 2))
        if let remedy = entry.remedy { print("  allowed by  \(terminal.paint(remedy, .bold))") }
        if let criu = entry.criu { print("  in CRIU     \(criu)") }
    }
}
