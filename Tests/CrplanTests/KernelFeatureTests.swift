import CREngine
import TestSupport
import Testing

/// The engine on a kernel that lacks what newer ones have: each facility forced off, and all of them, as on Linux 6.1.
@Suite(
    .serialized,
    .enabled(if: BuiltPrograms.canCheckpoint && BuiltPrograms.isDebugBuild, "needs root and a debug build"))
struct KernelFeatureTests {
    static let masks = KernelFeature.allCases.map(\.rawValue) + ["linux-6.1"]

    /// What each has to do with; in a long run every subject goes through every mask.
    static let sample = ["memory", "timers", "tasks policies", "identity"]

    /// What such a kernel cannot carry, because only the newer one has it at all.
    private static func isCarried(_ subject: String, without mask: String) -> Bool {
        switch (subject, mask) {
        case ("memory", "pagemap-scan"), ("memory", "guard-regions"), ("memory", "mdwe"),
            ("memory", "memory-merge"), ("memory", "linux-6.1"),
            ("areas", "pagemap-scan"), ("areas", "guard-regions"), ("areas", "linux-6.1"),
            ("denials", "mdwe"), ("denials", "linux-6.1"),
            ("denials own", "memory-merge"), ("denials own", "linux-6.1"):
            false
        default: true
        }
    }

    @Test(arguments: Self.masks)
    func `subjects go out and come back without a facility of newer kernels`(_ mask: String) throws {
        let subjects = BuiltPrograms.wantsLongTests ? SubjectTests.carried : Self.sample + ["plain"]
        for subject in subjects where Self.isCarried(subject, without: mask) {
            let steps = Self.sample.contains(subject) ? "dump-running,cycle:2,check" : "dump,restore,check"
            var words = ["/usr/bin/env", "CRPLAN_WITHOUT=\(mask)", BuiltPrograms.subjectRunner]
            words += ["--tool", BuiltPrograms.crplan, "--steps", steps]
            let run = try Command.run(words + subject.split(separator: " ").map(String.init), timeout: 150)
            #expect(run.ending == .exit(0), "\(subject) without \(mask): \(run.output)")
        }
    }
}
