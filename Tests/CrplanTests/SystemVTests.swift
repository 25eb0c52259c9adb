import CPlatform
import Glibc
import TestSupport
import Testing

@testable import CREngine

/// Objects of System V IPC that are in the way of a restore, and what a restore that fails leaves of its own.
@Suite(
    .serialized,
    .enabled(if: BuiltPrograms.canCheckpoint, "needs root, and a crplan that has dump and restore"))
struct SystemVTests {
    private func dumped() throws -> DumpedSubject {
        let subject = try DumpedSubject(["sysv"])
        try subject.dump()
        let isGone = subject.reapAll()
        try #require(isGone)
        return subject
    }

    private func objects(of subject: borrowing DumpedSubject) throws -> SystemVImage {
        let directory = try OwnedFD.open(subject.images, O_RDONLY | O_DIRECTORY)
        return try ImageSet.read(from: directory).systemV
    }

    /// What outlives the tree.
    private func lasting(_ image: SystemVImage) -> [(SystemV.Kind, UInt32)] {
        image.segments.filter { $0.object.mode & SharedSegmentImage.isDoomedBit == 0 }.map {
            (.segment, $0.object.id)
        } + image.semaphores.map { (.semaphores, $0.object.id) } + image.queues.map { (.queue, $0.object.id) }
    }

    private func removeAll(_ image: SystemVImage) {
        for (kind, id) in lasting(image) { try? SystemV.remove(kind, id) }
    }

    private func ids(_ kind: SystemV.Kind) throws -> Set<UInt32> {
        let rows =
            switch kind {
            case .segment: try SystemVTables.segments(try SystemV.table(kind)).map(\.object)
            case .semaphores: try SystemVTables.semaphores(try SystemV.table(kind)).map(\.object)
            case .queue: try SystemVTables.queues(try SystemV.table(kind)).map(\.object)
            }
        return Set(rows.map { UInt32($0.id) })
    }

    private func expectRefusal(_ subject: borrowing DumpedSubject, saying parts: String...) throws {
        let restored = try subject.restore()
        #expect(restored.ending == .exit(1), "\(restored.output)")
        for part in parts { #expect(restored.output.contains(part), "\(restored.output)") }
        #expect(subject.alive == [])
    }

    @Test func `a key that somebody took`() throws {
        let subject = try dumped()
        let image = try objects(of: subject)
        defer { removeAll(image) }
        let segment = try #require(image.segments.first { $0.object.key != 0 })
        let set = try #require(image.semaphores.first)
        let queue = try #require(image.queues.first)
        removeAll(image)
        let flags = 0o3600
        func key(_ object: SystemVObjectImage) -> Int { Int(Int32(bitPattern: object.key)) }
        let others: [(SystemV.Kind, Int)] = [
            (.segment, try systemCall(CP_SYS_shmget, key(segment.object), 4096, flags)),
            (.semaphores, try systemCall(CP_SYS_semget, key(set.object), 3, flags)),
            (.queue, try systemCall(CP_SYS_msgget, key(queue.object), flags)),
        ]
        defer { for (kind, id) in others { try? SystemV.remove(kind, UInt32(id)) } }
        try expectRefusal(
            subject, saying: "is taken by shared memory segment \(others[0].1)",
            "is taken by semaphore set \(others[1].1)", "is taken by message queue \(others[2].1)",
            "0x\(String(segment.object.key, radix: 16))", "ipcrm -m \(others[0].1)")
        for (kind, id) in others { #expect(try ids(kind).contains(UInt32(id))) }
    }

    @Test func `an id that another object has`() throws {
        let subject = try dumped()
        let image = try objects(of: subject)
        defer { removeAll(image) }
        let segment = try #require(image.segments.first { $0.object.key != 0 })
        removeAll(image)
        try SystemV.requestID(Int32(segment.object.id), .segment)
        let other = try systemCall(CP_SYS_shmget, 0, 4096, 0o1600)
        defer { try? SystemV.remove(.segment, UInt32(other)) }
        try #require(other == Int(segment.object.id))
        try expectRefusal(subject, saying: "shared memory segment \(other)", "is taken by another one")
    }

    @Test func `a segment that somebody attached since, and let go again`() throws {
        let subject = try dumped()
        let image = try objects(of: subject)
        defer { removeAll(image) }
        let segment = try #require(image.segments.first { $0.object.key != 0 })
        let attachment = try SegmentAttachment(Int32(segment.object.id))
        try expectRefusal(
            subject, saying: "shared memory segment \(segment.object.id)",
            "is attached by a process that lives")
        _ = consume attachment
        let restored = try subject.restore()
        #expect(restored.ending == .exit(0), "\(restored.output)")
    }

    @Test func `a queue that a living process used since`() throws {
        let subject = try dumped()
        let image = try objects(of: subject)
        defer { removeAll(image) }
        let queue = try #require(image.queues.first)
        try SystemV.drain(Int32(queue.object.id), largest: 8192)
        try expectRefusal(
            subject, saying: "message queue \(queue.object.id)", "process \(getpid()), which lives")
    }

    /// Its keeper takes away what it has made, and the next restore makes it again.
    @Test func `a restore that is killed when all is made`() throws {
        let subject = try dumped()
        let image = try objects(of: subject)
        defer { removeAll(image) }
        removeAll(image)
        let killed = try subject.restore([
            "--action-script", "[ $CRTOOLS_SCRIPT_ACTION != post-restore ] || kill -9 $PPID",
        ])
        #expect(killed.ending == .signal(SIGKILL), "\(killed.output)")
        let isGone = subject.reapAll()
        #expect(isGone)
        for (kind, id) in lasting(image) {
            #expect(poll(until: now() + 20) { (try? ids(kind).contains(id)) == false })
        }
        let again = try subject.restore()
        #expect(again.ending == .exit(0), "\(again.output)")
        try write("", to: subject.place + "/status.check")
        #expect(wait(for: subject.root, until: now() + 60) == .exit(0))
        #expect(text(of: subject.place + "/status") == "pass\n")
    }

    /// A program of the operator that fails comes when all is made.
    @Test(arguments: [false, true])
    func `a restore that fails late`(_ survived: Bool) throws {
        let subject = try dumped()
        let image = try objects(of: subject)
        defer { removeAll(image) }
        if !survived { removeAll(image) }
        let restored = try subject.restore(["--action-script", "[ $CRTOOLS_SCRIPT_ACTION != post-restore ]"])
        #expect(restored.ending == .exit(1), "\(restored.output)")
        let isGone = subject.reapAll()
        #expect(isGone)
        // What outlived the tree stays; what the restore made does not.
        for (kind, id) in lasting(image) { #expect(try ids(kind).contains(id) == survived) }
        let doomed = image.segments.filter { $0.object.mode & SharedSegmentImage.isDoomedBit != 0 }
        for segment in doomed { #expect(try !ids(.segment).contains(segment.object.id)) }
        let again = try subject.restore()
        #expect(again.ending == .exit(0), "\(again.output)")
    }
}
