/// How a tracer is made to die at its numbered points, from a step of the command line.
struct KillPlan: Equatable, CustomStringConvertible {
    enum Mode: String, CaseIterable {
        /// Nobody dies: the worker goes on after its stop.
        case none
        /// The worker; its supervisor undoes.
        case worker
        /// The supervisor; the worker goes on without it.
        case supervisor
        /// Both, the one or the other first by turns.
        case both
        /// The worker amid its work, and the supervisor at the points of its undoing.
        case supervisorUndo = "supervisor-undo"
        /// The worker runs into a trap of its own.
        case trap
        /// The worker makes an invalid access.
        case segv
    }

    var mode = Mode.worker
    /// The first point.
    var from = 1
    /// The distance between points.
    var every = 1
    /// At most so many points.
    var count = Int.max
    /// Where the worker dies in the mode `supervisor-undo`.
    var workerPoint = 60
    /// A signal that the root gets while the tracer is stopped at its point; SIGSTOP is followed by SIGCONT later.
    var signal: Int32?
    /// Write a stub that cannot heal.
    var breaksStub = false

    /// The options behind `kill-points`, as `every=7` and `mode=both`.
    init(_ words: some Sequence<String>) throws(RunFailure) {
        for word in words {
            let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
            let value = parts.count > 1 ? parts[1] : ""
            switch (parts.first, Int(value)) {
            case ("from", let number?): from = number
            case ("every", let number?) where number > 0: every = number
            case ("count", let number?): count = number
            case ("worker-point", let number?): workerPoint = number
            case ("signal", let number?): signal = Int32(number)
            case ("break-stub", nil): breaksStub = true
            case ("mode", nil):
                guard let mode = Mode(rawValue: value) else { throw RunFailure("\(word): no such mode") }
                self.mode = mode
            default: throw RunFailure("kill-points: \(word): no such option")
            }
        }
    }

    /// Nobody is left who could take back the stub's bytes and the scratch page.
    var mayLeaveTraces: Bool { mode == .both || mode == .supervisorUndo }

    var description: String { "kill-points:mode=\(mode.rawValue):every=\(every)" }
}
