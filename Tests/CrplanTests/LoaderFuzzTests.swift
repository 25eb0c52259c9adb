import Glibc
import TestSupport
import Testing

/// Whatever a file holds, reading it ends with policies or with diagnostics, soon and in little memory.
@Suite struct LoaderFuzzTests {
    /// `scripts/test --long` runs a million with the optimised program.
    @Test func `thousands of damaged policies neither crash the loader nor cost much`() throws {
        let run = try Command.run(
            [
                BuiltPrograms.directory + "/loader-fuzzer", "--inputs", "4000",
                BuiltPrograms.sources + "/policies",
            ],
            timeout: 300)
        #expect(run.ending == .exit(0), "\(run.output)")
        #expect(run.output.contains("4000 inputs, "))
    }
}
