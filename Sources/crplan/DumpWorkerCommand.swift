import ArgumentParser
import CREngine

/// The process that dumps one tree of a batch. Descriptors: 3 request, 4 reply.
struct DumpWorkerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "dump-worker", shouldDisplay: false)

    func run() throws { try DumpWorker.serve() }
}
