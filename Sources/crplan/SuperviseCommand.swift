import ArgumentParser
import CREngine

/// The process that undoes what a dead worker left. Descriptors: 3 journal, 4 pidfd of the worker, 5 ready pipe,
/// 6 notes of the journal.
struct SuperviseCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "supervise", shouldDisplay: false)

    func run() throws {
        let failures = Supervisor(workerPidfd: 4, journal: 3, notes: 6).run(ready: OwnedFD(taking: 5))
        if !failures.isEmpty { throw ValidationError(failures.joined(separator: "\n")) }
    }
}
