import ArgumentParser
import CPlatform
import CREngine
import Glibc

/// Freezes a tree, asks each process what only it can tell, and lets it run on: a dump without images.
struct ExamineCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "examine", shouldDisplay: false)

    @Argument(help: "Root of the tree.") var pid: Int32
    @Option(help: "How often.") var rounds = 1

    func run() throws {
        cp_rescue_install()
        let points = FaultPoints()
        for _ in 0..<rounds {
            let supervisor = try SupervisorHandle.start()
            let tree = try FrozenTree.freeze(root: PID(pid), deadline: .after(milliseconds: 10_000))
            for (place, process) in tree.processes.enumerated() where process.state != .zombie {
                let places = try RemotePlaces.find(process.pid)
                let probe = RemoteProbe(
                    process: process,
                    request: .init(places: places, nonDefaultSignals: .max, posixTimers: []),
                    faults: points)
                let facts = try probe.run(tree, journal: supervisor.journal, place: place)
                print("\(process.pid): \(process.threads.count) threads, brk \(facts.brk)")
            }
            tree.thaw()
            try supervisor.finish()
        }
        print("points: \(points.passed)")
    }
}
