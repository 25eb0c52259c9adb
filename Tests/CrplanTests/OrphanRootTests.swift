import Glibc
import TestSupport
import Testing

/// A program that a script left behind: the leader of its session and of its process group has ended.
@Suite(
    .serialized,
    .enabled(if: BuiltPrograms.canCheckpoint, "needs root, and a crplan that has dump and restore"))
struct OrphanRootTests {
    @Test func `a root whose session's leader has ended comes back into that session`() throws {
        var load = try Workload()
        let subject = "'\(BuiltPrograms.subject)' --status '\(load.place)/status' tasks alone"
        try load.start(["/bin/sh", "-c", "\(subject) & echo $! > pid"])
        let session = load.root
        try #require(load.ended() == .exit(0))
        let place = load.place
        try #require(load.await { text(of: place + "/status") == "ready\n" })
        let root = try #require(Int32(trimmed(load.contents("pid"))))
        load.follow(root)
        #expect(statFields("/proc/\(root)/stat").dropFirst(3).first == "\(session)")

        let out = try load.checkpoint("orphan")
        try #require(out.ending == .exit(0), "\(out.output)")
        let back = try load.restore("orphan")
        try #require(back.ending == .exit(0), "\(back.output)")
        #expect(statFields("/proc/\(root)/stat").dropFirst(3).first == "\(session)")
        try write("", to: load.place + "/status.check")
        #expect(load.ended() == .exit(0), "\(load.contents("status"))")
    }
}
