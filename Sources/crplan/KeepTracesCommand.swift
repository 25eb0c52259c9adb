import ArgumentParser
import CREngine

/// The process that takes away what a restore has made outside of its tasks, should the restore be killed. Descriptor 3 tells it.
struct KeepTracesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "keep-traces", shouldDisplay: false)

    func run() throws { try RestoreTraces.keep() }
}
