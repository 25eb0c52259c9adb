import Glibc
import TestSupport
import Testing

/// Tasks that come, change and go while they are frozen and let go of, over and over.
@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root, to trace"))
struct StormTests {
    /// Not `hop`, which no look catches without a group of its own (`TreeGroupTests` has it in one): while its reaper is
    /// held to the deadline it runs out of process numbers, and its fork(2) fails.
    @Test(arguments: ["fork", "exec", "thread", "vfork", "kill", "stop", "interrupt"])
    func `a tree that changes all the time does not notice a tracer`(_ kind: String) throws {
        let rounds = TracerDeathTests.isLong ? 500 : 25
        let words = [
            BuiltPrograms.subjectRunner, "--tool", BuiltPrograms.crplan, "--timeout", "600",
            "--steps", "trace:\(rounds),check", "storm", kind,
        ]
        let run = try Command.run(words, timeout: 700)
        #expect(run.ending == .exit(0), "\(run.output)")
        // A freeze that waits for a stop that never comes holds the tree until its deadline.
        #expect(!run.output.contains("did not stop in time"), "\(run.output)")
        #expect(!run.output.contains("kept creating tasks"), "\(run.output)")
    }
}
