import Glibc
import TestSupport
import Testing

/// Tasks that come, change and go while they are frozen and let go of, over and over.
@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root, to trace"))
struct StormTests {
    @Test(arguments: ["fork", "exec", "thread", "vfork", "kill", "stop", "interrupt", "hop"])
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
        // Only a group of its own holds a tree that is another one at each look.
        #expect(kind == "hop" || !run.output.contains("kept creating tasks"), "\(run.output)")
    }
}
