import ArgumentParser
import CREngine

/// What a finding means.
struct ExplainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Tells what a finding means, why the kernel makes it so, and what allows it.",
        discussion: "Without a code all codes are listed.")

    @Argument(help: "As in a report, CRP221.") var code: String?
    @Flag(help: .hidden) var markdown = false

    func run() throws {
        let text = ExplainText(terminal: .output)
        if markdown {
            print(text.document(), terminator: "")
            return
        }
        guard let code else {
            print(text.list())
            return
        }
        guard let found = FindingCode(rawValue: code.uppercased()) else {
            printError("crplan: \(code): no finding has this code; `crplan explain` lists them")
            throw ExitStatus.usage.exit
        }
        print(text.render(found))
    }
}
