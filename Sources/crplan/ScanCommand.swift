import ArgumentParser
import CREngine
import FoundationEssentials

/// What a tree holds that leads out of it, whatever a policy would say.
struct ScanCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scan", abstract: "Tells what a tree holds that leads out of it. Changes nothing.",
        discussion: "No policy is asked; `crplan plan` tells what one allows.")

    enum Format: String, ExpressibleByArgument, CaseIterable {
        case text
        case json
    }

    @Argument(help: "Root of the tree.") var pid: Int32
    @Option(help: "text or json.") var format = Format.text

    func validate() throws {
        guard pid > 0 else { throw ValidationError("\(pid) is no process number") }
    }

    func run() throws {
        try demand(Capabilities.toScan, to: "look at processes of others")
        let scan: TreeScan
        do throws(CollectorError) {
            scan = try TreeScan.look(at: PID(pid), version: Crplan.version, now: Date.now)
        } catch {
            printError("crplan: \(error)")
            throw ExitStatus.failed.exit
        }
        switch format {
        case .text: print(ScanText(terminal: .output).render(scan))
        case .json: print(try scan.json(), terminator: "")
        }
    }
}
