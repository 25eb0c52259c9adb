import Glibc
import PolicyModel
import TestSupport
import Testing

@testable import CREngine

/// What a policy allows: blocked without its key, recorded in the manifest with it, and restored without any flag.
@Suite(
    .serialized, .enabled(if: BuiltPrograms.canApply, "needs root, and a crplan that has apply and restore"))
struct AllowedStateTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let subject: String
        let key: String
        let codes: Set<FindingCode>
        var testDescription: String { "\(subject), \(key)" }
    }

    static let rows = [
        Row(
            subject: "locks", key: "file-locks: owned", codes: [.flock, .posixLock, .openFileLock]),
        Row(subject: "locks shared", key: "file-locks: any", codes: [.flock, .posixLock, .openFileLock]),
        Row(subject: "locks leases", key: "file-locks: owned", codes: [.lease]),
        Row(subject: "notify deleted", key: "fsnotify: drop", codes: [.inotify, .ghostFile]),
    ]

    @Test(arguments: rows)
    func `an allowance is needed, is enough, and is remembered`(_ row: Row) throws {
        var group = try SubjectGroup()
        try group.start(row.subject)
        let laggards = group.laggards()
        try #require(laggards == [])
        let root = group.members[0].root
        let tree = processTree(of: root)
        let denied = try Command.run([
            BuiltPrograms.crplan, "apply", try group.policy("denied", pids: [root]),
        ])
        #expect(denied.ending == .exit(3), "\(denied.output)")
        let applied = try Command.run([
            BuiltPrograms.crplan, "apply",
            try group.policy("allowed", pids: [root], "allow: {\(row.key)}"),
        ])
        #expect(applied.ending == .exit(0), "\(applied.output)")
        let checkpoint = try #require(try Store(path: group.store).checkpoints(of: "allowed").first)
        let codes = Set(try checkpoint.manifest().allowed.map(\.code))
        #expect(codes == Set(row.codes.subtracting([.ghostFile]).map(\.rawValue)), "\(codes)")

        end(tree)
        let isGone = reap(tree, until: now() + 30)
        try #require(isGone)
        let restored = try Command.run([BuiltPrograms.crplan, "restore", checkpoint.path])
        #expect(restored.ending == .exit(0), "\(restored.output)")
        #expect(group.verdicts() == [])
    }
}
