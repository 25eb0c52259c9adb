import Glibc
import TestSupport
import Testing

@testable import CREngine

/// Memory in huge pages, where the machine lets us have some.
@Suite(
    .serialized,
    .enabled(if: BuiltPrograms.canCheckpoint && HugePool.isThere, "needs root, and a pool of huge pages"))
struct HugePagesTests {
    @Test func `huge pages come back, and a pool without any is told`() throws {
        let pool = HugePool(more: 4)
        let hasGrown = pool.hasGrown
        try #require(hasGrown)
        try pass(["areas", "huge"], steps: "cycle:2,check")

        try expectRefusal(["areas", "huge"], without: pool, of: 4)
    }

    @Test func `shared huge pages come back, holes as holes, and a pool without any is told`() throws {
        let pool = HugePool(more: 14)
        let hasGrown = pool.hasGrown
        try #require(hasGrown)
        try pass(["hugepages"], steps: "cycle:2,check")
        try pass(["hugepages"], steps: "dump,forget-ipc,restore,dump,restore,check")

        try expectRefusal(["hugepages", "files"], without: pool, of: 14)
    }

    private func pass(_ words: [String], steps: String) throws {
        let run = try Command.run(
            [BuiltPrograms.subjectRunner, "--tool", BuiltPrograms.crplan, "--steps", steps] + words,
            timeout: 150)
        #expect(run.ending == .exit(0), "\(run.output)")
    }

    /// Dumps a subject, and restores it while the pool is as it was, and then with so many pages more.
    private func expectRefusal(_ words: [String], without pool: borrowing HugePool, of pages: Int) throws {
        let subject = try DumpedSubject(words)
        try subject.dump()
        let isGone = subject.reapAll()
        try #require(isGone)
        pool.setTo(pool.before)
        let refused = try subject.restore()
        #expect(refused.ending == .exit(1))
        #expect(refused.output.contains("finds too few free huge pages"), "\(refused.output)")
        let isGoneAgain = subject.reapAll()
        #expect(isGoneAgain)
        pool.setTo(pool.before + pages)
        let restored = try subject.restore()
        #expect(restored.ending == .exit(0), "\(restored.output)")
    }
}

/// vm.nr_hugepages, raised for a while.
struct HugePool: ~Copyable {
    private static let path = "/proc/sys/vm/nr_hugepages"
    let before: Int
    let hasGrown: Bool

    /// Whether there is a pool that is empty, so that what a test does concerns nobody else.
    static var isThere: Bool { size == 0 }

    private static var size: Int? { text(of: path).flatMap { Int(trimmed($0)) } }

    init(more pages: Int) {
        before = Self.size ?? 0
        try? write("\(before + pages)\n", to: Self.path)
        hasGrown = Self.size == before + pages
    }

    deinit { try? write("\(before)\n", to: Self.path) }

    func setTo(_ pages: Int) { try? write("\(pages)\n", to: Self.path) }
}
