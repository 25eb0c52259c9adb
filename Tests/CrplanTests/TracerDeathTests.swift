import Glibc
import TestSupport
import Testing

/// One way for a tracer to die, and how densely its points are tried in a short run.
struct DeathCase: CustomTestStringConvertible, Sendable {
    let mode: String
    var every: Int
    var from = 1
    var options = ""

    var testDescription: String { "\(mode)\(options)" }
}

/// No task is harmed by the death of its tracer, at whatever point it dies.
///
/// Debug builds only: they count their steps, and stop or crash at a given one.
@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root, to trace"))
struct TracerDeathTests {
    static let isLong = getenv("CRPLAN_LONG_TESTS") != nil

    /// The distances share no factor with the 19 steps of a session's frame or the 4 of a call, so that a sample
    /// meets each kind of step.
    static let cases = [
        DeathCase(mode: "none", every: 613),
        DeathCase(mode: "worker", every: 127),
        DeathCase(mode: "supervisor", every: 307),
        DeathCase(mode: "both", every: 127),
        DeathCase(mode: "supervisor-undo", every: 4),
        // A signal that is delivered amid the healing stub, and a stop on it.
        DeathCase(mode: "worker", every: 13, options: ":count=5:signal=\(SIGUSR1)"),
        DeathCase(mode: "worker", every: 13, options: ":count=5:signal=\(SIGSTOP)"),
        DeathCase(mode: "none", every: 13, options: ":count=5:signal=\(SIGSTOP)"),
        DeathCase(mode: "trap", every: 409),
        DeathCase(mode: "segv", every: 409),
    ]

    /// The tool that only looks, and a whole dump that leaves its tree running.
    private static let examine = "internal examine {pid}"
    private static let dump = "dump -t {pid} -D {dir} -R"

    private func run(_ steps: String, tracer: String = Self.examine) throws -> Command {
        let words = [
            BuiltPrograms.subjectRunner, "--tool", BuiltPrograms.crplan, "--tracer", tracer,
            "--timeout", Self.isLong ? "7200" : "240", "--steps", steps, "killtarget", "page",
        ]
        return try Command.run(words, timeout: Self.isLong ? 7300 : 300)
    }

    @Test(arguments: Self.cases)
    func `a tree survives the death of its tracer at every point`(_ row: DeathCase) throws {
        let every = Self.isLong ? 1 : row.every
        let run = try run("kill-points:mode=\(row.mode):every=\(every)\(row.options),check")
        #expect(run.ending == .exit(0), "\(run.output)")
        #expect(!run.output.contains("(0 deaths"), "no point was reached: \(run.output)")
    }

    @Test func `a tree survives the death of its tracer at any moment`() throws {
        let run = try run("kill-random:\(Self.isLong ? 100 : 10),check")
        #expect(run.ending == .exit(0), "\(run.output)")
    }

    @Test func `a tree survives the death of a dump`() throws {
        let points = "kill-points:mode=worker:every=\(Self.isLong ? 1 : 331)"
        let run = try run("\(points),kill-random:\(Self.isLong ? 100 : 4),check", tracer: Self.dump)
        #expect(run.ending == .exit(0), "\(run.output)")
    }

    /// Without its stub a thread in a session is lost: the other tests can fail.
    @Test func `a useless stub loses the thread and is noticed`() throws {
        let run = try run("kill-points:mode=both:from=20:count=1:break-stub")
        #expect(run.ending == .exit(1))
        #expect(run.output.contains("1 losses"), "\(run.output)")
    }

    /// A crash of ours puts registers back by itself: where the stub is useless the rescue handler must have done it.
    @Test(arguments: ["trap", "segv"])
    func `a crash of the tracer needs no stub`(_ mode: String) throws {
        let run = try run("kill-points:mode=\(mode):from=20:every=67:count=5:break-stub,check")
        #expect(run.ending == .exit(0), "\(run.output)")
    }
}
