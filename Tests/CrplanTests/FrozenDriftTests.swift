import FoundationEssentials
import Glibc
import PolicyModel
import TestSupport
import Testing

@testable import CREngine

/// A tree that changes between the look before a dump and its freeze.
@Suite(.serialized, .enabled(if: BuiltPrograms.canApply, "checkpoints need root"))
struct FrozenDriftTests {
    @Test func `a frozen tree that is not the planned one is let go`() throws {
        var load = try Workload()
        try load.start(["/bin/sleep", "86400"])
        let pid = load.root
        let isSleep = load.await { text(of: "/proc/\(pid)/comm") == "sleep\n" }
        try #require(isSleep)
        let snapshot = try Collector.collect(root: PID(pid), scope: .live)
        let root = try #require(snapshot.task(PID(pid)))
        var planned = try TreeFingerprint(snapshot, root: root)
        planned.tasks[0].descriptors = try Digest.of([1])
        var policy = Policy(name: "frozen")
        policy.store.path = load.store
        let now = Date(timeIntervalSince1970: 1_795_418_220)
        let request = DumpRequest(
            policy: policy, target: "sleep", root: PID(pid), startTime: root.startTime,
            checkpoint: CheckpointName(at: now), date: now, protected: [], planned: planned, version: "test")
        var runner = BatchRunner()
        runner.program.path = BuiltPrograms.crplan
        let reply = try #require(runner.run([request], stop: try StopSignals()) { _ in }.first)
        #expect(reply.outcome == .drifted)
        #expect(reply.error?.contains("open descriptors changed") == true, "\(reply.error ?? "")")
        let runsOn = load.await { statFields("/proc/\(pid)/stat").first == "S" }
        #expect(runsOn)
        #expect(try Store(path: load.store).checkpoints().isEmpty)
    }
}
