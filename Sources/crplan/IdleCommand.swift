import ArgumentParser
import Glibc

/// A process to try things on: it does nothing until it is killed.
struct IdleCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "idle", shouldDisplay: false)

    func run() throws {
        while true { pause() }
    }
}
