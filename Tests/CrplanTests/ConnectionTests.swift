import Glibc
import TestSupport
import Testing

@testable import CREngine

/// Connections of TCP whose peer is outside the tree: their lock between dump and restore, and what becomes of them
/// when a dump dies.
@Suite(
    .serialized,
    .enabled(if: BuiltPrograms.canCheckpoint, "needs root, and a crplan that has dump and restore"))
struct ConnectionTests {
    private static let established = ["--tcp-established"]

    /// The table that the dump of these images left.
    private func table(_ subject: borrowing DumpedSubject) throws -> String {
        let directory = try OwnedFD.open(subject.images, O_RDONLY | O_DIRECTORY)
        let tree = try ImageSet.read(from: directory)
        return ConnectionLock.tableName(runID: tree.inventory.runID)
    }

    private func verdict(_ subject: borrowing DumpedSubject) throws -> String {
        let place = subject.place
        try write("", to: place + "/status.check")
        _ = poll(until: now() + 30) { text(of: place + "/status") != "ready\n" }
        return text(of: place + "/status") ?? "nothing"
    }

    private func dumped(_ kind: String) throws -> DumpedSubject {
        let subject = try DumpedSubject(["tcp", kind])
        try subject.dump(Self.established)
        let isGone = subject.reapAll()
        try #require(isGone)
        return subject
    }

    @Test func `a connection to the outside blocks unless it is allowed`() throws {
        let subject = try DumpedSubject(["tcp", "orphan"])
        let words = [BuiltPrograms.crplan, "dump", "-t", "\(subject.root)", "-D", subject.images]
        let denied = try Command.run(words)
        #expect(denied.ending == .exit(1))
        #expect(denied.output.contains("CRP221 [tcp-established] established tcp 127.0.0.1:"))
        let closed = try Command.run(words + ["--tcp-close", "-R"])
        #expect(closed.ending == .exit(0), "\(closed.output)")
        #expect(!names(in: subject.images).contains { $0.hasPrefix("tcp-stream-") })
        #expect(try verdict(subject) == "pass\n")
    }

    @Test func `the lock stays until the restore and goes with it`() throws {
        let subject = try dumped("orphan")
        let table = try table(subject)
        #expect(try NetworkLock.listing(table: table) != nil)
        let restored = try subject.restore()
        #expect(restored.ending == .exit(0), "\(restored.output)")
        #expect(try NetworkLock.listing(table: table) == nil)
        #expect(try verdict(subject) == "pass\n")
    }

    @Test func `a lock that is gone is told with the way out, which works`() throws {
        let subject = try dumped("orphan")
        let table = try table(subject)
        #expect(try NetworkLock.remove(table: table))
        let refused = try subject.restore()
        #expect(refused.ending == .exit(1))
        #expect(
            refused.output.contains("is not locked any more (table inet \(table) of nftables is gone)")
                && refused.output.contains("--tcp-close"), "\(refused.output)")
        #expect(subject.alive == [])
        let closed = try subject.restore(["--tcp-close"])
        #expect(closed.ending == .exit(0), "\(closed.output)")
        // What was under way is lost, and the program has a closed socket.
        #expect(try verdict(subject).contains("the server is in state 7, not 8"))
    }

    @Test func `a connection inside the tree needs no lock of the dump`() throws {
        let subject = try dumped("half")
        #expect(try NetworkLock.remove(table: try table(subject)))
        let restored = try subject.restore()
        #expect(restored.ending == .exit(0), "\(restored.output)")
        #expect(try verdict(subject) == "pass\n")
    }

    @Test func `a connection that waits for accept is denied, or left out`() throws {
        let subject = try DumpedSubject(["tcp", "waiting"])
        let words = [BuiltPrograms.crplan, "dump", "-t", "\(subject.root)", "-D", subject.images, "-R"]
        let denied = try Command.run(words + Self.established)
        #expect(denied.ending == .exit(1))
        #expect(denied.output.contains("CRP222 [skip-in-flight] 1 connection to tcp"), "\(denied.output)")
        let skipped = try Command.run(words + Self.established + ["--skip-in-flight"])
        #expect(skipped.ending == .exit(0), "\(skipped.output)")
        #expect(try verdict(subject) == "pass\n")
    }

    /// Stops a dump at a point of its work and kills it there.
    private func kill(
        _ subject: borrowing DumpedSubject, at place: String, _ options: [String]
    ) throws {
        try subject.killDump(at: place, Self.established + options) {
            let tables = try NetworkLock.tables()
            #expect(tables.contains { $0.hasPrefix("CRIU-") })
        }
    }

    @Test(arguments: ["before repair", "in repair", "after repair"])
    func `a dump that dies while it reads connections gives them back`(_ place: String) throws {
        let before = try NetworkLock.tables()
        let subject = try DumpedSubject(["tcp", "options"])
        try kill(subject, at: place, ["-R"])
        #expect(try NetworkLock.tables() == before)
        #expect(try verdict(subject) == "pass\n")
    }

    @Test(arguments: ["lock stays", "all in repair"])
    func `a dump that dies before the first kill gives connections back`(_ place: String) throws {
        let before = try NetworkLock.tables()
        let subject = try DumpedSubject(["tcp", "options"])
        try kill(subject, at: place, [])
        #expect(try NetworkLock.tables() == before)
        #expect(try verdict(subject) == "pass\n")
    }

    @Test func `a dump that dies at the kill keeps its lock, and its checkpoint restores`() throws {
        let subject = try DumpedSubject(["tcp", "orphan"])
        try kill(subject, at: "before the kill", [])
        let isGone = subject.reapAll()
        try #require(isGone)
        #expect(try NetworkLock.listing(table: try table(subject)) != nil)
        let restored = try subject.restore()
        #expect(restored.ending == .exit(0), "\(restored.output)")
        #expect(try verdict(subject) == "pass\n")
    }

    @Test func `a policy's rule keeps a connection, and its lock is shown and can be given up`() throws {
        let subject = try DumpedSubject(["tcp", "orphan"])
        let store = subject.directory + "/store"
        let file = subject.directory + "/policy.yaml"
        let rules = "[{peer: 10.0.0.0/8, action: deny}, {peer: 127.0.0.0/8, action: keep}]"
        try write(
            """
            version: 1
            name: conn
            select: [{pid: \(subject.root)}]
            allow: {tcp-established: \(rules)}
            store: {path: \(store)}

            """, to: file)
        let applied = try Command.run([BuiltPrograms.crplan, "apply", file])
        try #require(applied.ending == .exit(0), "\(applied.output)")
        let isGone = subject.reapAll()
        try #require(isGone)
        let before = try NetworkLock.tables()
        func crplan(_ words: String...) throws -> String {
            try Command.run([BuiltPrograms.crplan] + words + ["--store", store]).output
        }
        #expect(try crplan("list").contains("1 connection locked"))
        #expect(try crplan("unlock", "conn").hasPrefix("unlocked 1 connection of conn/"))
        #expect(try crplan("unlock", "conn").contains("is not locked any more"))
        #expect(try !crplan("list").contains("locked"))
        #expect(try NetworkLock.tables().count == before.count - 1)
    }

    /// Checkpoints the subject by a policy that keeps its connection; gives the policy's file.
    private func applied(_ subject: borrowing DumpedSubject, store: String, _ more: String) throws -> String {
        let file = subject.directory + "/kept.yaml"
        try write(
            """
            version: 1
            name: kept
            select: [{pid: \(subject.root)}]
            allow: {tcp-established: true}
            store: {path: \(store)}
            \(more)

            """, to: file)
        let applied = try Command.run([BuiltPrograms.crplan, "apply", file])
        try #require(applied.ending == .exit(0), "\(applied.output)")
        let isGone = subject.reapAll()
        try #require(isGone)
        return file
    }

    @Test func `a checkpoint that retention deletes gives up its lock`() throws {
        let before = try NetworkLock.tables()
        let subject = try DumpedSubject(["tcp", "orphan"])
        let store = subject.directory + "/store"
        let file = try applied(subject, store: store, "retention: {keep-last: 1}")
        #expect(try NetworkLock.tables().count == before.count + 1)
        // The same once more, as an older one of the same target, which is too much.
        let checkpoint = try #require(Store(path: store).checkpoints().first)
        let older = "2020-01-01T00:00:00Z-" + "\(checkpoint.name)".suffix(4)
        let copied = try Command.run([
            "/bin/cp", "-a", checkpoint.path, "\(store)/kept/\(checkpoint.target)/\(older)",
        ])
        #expect(copied.ending == .exit(0))
        #expect(try Store(path: store).checkpoints().count == 2)
        let pruned = try Command.run([BuiltPrograms.crplan, "prune", file])
        #expect(pruned.ending == .exit(0), "\(pruned.output)")
        #expect(try Store(path: store).checkpoints() == [checkpoint])
        #expect(try NetworkLock.tables() == before)
    }

    @Test(arguments: [
        ("fail", 1, "--tcp-close"), ("close", 0, "the server is in state 7, not 8"), ("restore", 0, "pass"),
    ])
    func `a policy says what becomes of a connection whose lock is gone`(
        _ rule: String, _ code: Int32, _ says: String
    ) throws {
        let before = try NetworkLock.tables()
        let subject = try DumpedSubject(["tcp", "orphan"])
        let store = subject.directory + "/store"
        _ = try applied(subject, store: store, "restore: {if-unlocked: \(rule)}")
        for table in try NetworkLock.tables() where !before.contains(table) {
            #expect(try NetworkLock.remove(table: table))
        }
        let checkpoint = try #require(Store(path: store).checkpoints().first)
        let restored = try Command.run([BuiltPrograms.crplan, "restore", checkpoint.path])
        #expect(restored.ending == .exit(code), "\(restored.output)")
        if code == 0 {
            #expect(try verdict(subject).contains(says))
        } else {
            #expect(restored.output.contains(says))
            #expect(subject.alive == [])
        }
    }
}
