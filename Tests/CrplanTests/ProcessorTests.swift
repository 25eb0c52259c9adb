import CREngine
import Glibc
import TestSupport
import Testing

/// --cpu-cap writes cpuinfo.img, and a restore that is told to compares it with this processor.
@Suite(
    .serialized,
    .enabled(if: BuiltPrograms.canCheckpoint, "needs root, and a crplan that has dump and restore"))
struct ProcessorTests {
    @Test func `a tree is restored on the processor that it was dumped on`() throws {
        let run = try Command.run([
            BuiltPrograms.subjectRunner, "--tool", BuiltPrograms.crplan, "--steps", "dump,restore,check",
            "--dump-option", "--cpu-cap=fpu,ins", "--restore-option", "--cpu-cap", "plain",
        ])
        #expect(run.ending == .exit(0), "\(run.output)")
    }

    @Test func `images without it are refused where it is asked for`() throws {
        let run = try Command.run([
            BuiltPrograms.subjectRunner, "--tool", BuiltPrograms.crplan, "--steps", "dump,restore,check",
            "--restore-option", "--cpu-cap=fpu", "plain",
        ])
        #expect(run.ending == .exit(1))
        #expect(run.output.contains("no cpuinfo.img"), "\(run.output)")
    }
}
