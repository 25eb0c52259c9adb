import Glibc
import TestSupport
import Testing

@testable import CREngine

/// Locks that others have: told before a dump by who they are, and at a restore by name.
@Suite(
    .serialized,
    .enabled(if: BuiltPrograms.canCheckpoint, "needs root, and a crplan that has dump and restore"))
struct LockTests {
    /// A lock of this process: what to lock, how, and what the restore is to say of it.
    struct Theft: Sendable, CustomTestStringConvertible {
        let file: String
        let take: @Sendable (Int32) -> Int32
        let said: String
        var testDescription: String { file }
    }

    private static func range(_ start: Int, _ length: Int) -> flock {
        var lock = flock()
        lock.l_type = Int16(F_WRLCK)
        lock.l_whence = Int16(SEEK_SET)
        lock.l_start = start
        lock.l_len = length
        return lock
    }

    static let thefts = [
        Theft(
            file: "locks.exclusive", take: { flock($0, LOCK_SH | LOCK_NB) },
            said: "has a flock read lock on the file now"),
        Theft(
            file: "locks.posix",
            take: { fd in
                var lock = range(12, 20)
                return fcntl(fd, F_SETLK, &lock)
            }, said: "POSIX write lock of bytes 5-14"),
        Theft(
            file: "locks.directory", take: { flock($0, LOCK_EX | LOCK_NB) }, said: "flock read lock of task"),
    ]

    @Test(arguments: thefts)
    func `a lock that somebody took meanwhile fails the restore by name`(_ theft: Theft) throws {
        let subject = try DumpedSubject(["locks"])
        try subject.dump(["-l"])
        let isGone = subject.reapAll()
        try #require(isGone)
        let path = subject.place + "/" + theft.file
        let fd = open(path, theft.file == "locks.directory" ? O_RDONLY : O_RDWR)
        #expect(theft.take(fd) == 0)
        let refused = try subject.restore()
        #expect(refused.ending == .exit(1), "\(refused.output)")
        for part in [path, theft.said, "[\(getpid())]"] {
            #expect(refused.output.contains(part), "\(part): \(refused.output)")
        }
        #expect(subject.alive == [])
        close(fd)
        let restored = try subject.restore()
        #expect(restored.ending == .exit(0), "\(restored.output)")
        try write("", to: subject.place + "/status.check")
        #expect(wait(for: subject.root, until: now() + 60) == .exit(0))
        #expect(text(of: subject.place + "/status") == "pass\n")
    }

    @Test func `who has the open file of a lock is told by name`() throws {
        let place = try makeDirectory(in: "/tmp")
        defer { remove(place) }
        let program = """
            import fcntl, os, time
            file = open("shared", "w")
            fcntl.flock(file, fcntl.LOCK_EX)
            child = os.fork()
            if child == 0: os.setsid()
            else: open("child", "w").write(str(child))
            time.sleep(98775)
            """
        let parent = try spawn(["/usr/bin/python3", "-c", program], log: place + "/log", directory: place)
        defer { end(processTree(of: parent)) }
        let isReady = poll(until: now() + 20) { Int32(text(of: place + "/child") ?? "") != nil }
        try #require(isReady)
        let child = try #require(Int32(text(of: place + "/child") ?? ""))
        let inside = try Collector.collect(root: PID(parent), scope: .live)
        #expect(inside.locks.map(\.outsiders) == [[]])
        let half = try Collector.collect(root: PID(child), scope: .live)
        #expect(half.locks.count == 1)
        #expect(half.locks.first?.outsiders == ["on the open file of python3[\(parent)]"])
    }

    @Test func `who waits for a lock, or shares it, is told by name`() throws {
        let subject = try DumpedSubject(["locks"])
        // A second shared lock on the directory, and somebody who waits for the exclusive one.
        let directory = open(subject.place + "/locks.directory", O_RDONLY)
        defer { close(directory) }
        #expect(flock(directory, LOCK_SH | LOCK_NB) == 0)
        let waiter = try spawn(
            ["/usr/bin/flock", subject.place + "/locks.exclusive", "/bin/true"],
            log: subject.directory + "/waiter.log", directory: subject.directory)
        defer { end([waiter]) }
        let isWaiting = poll(until: now() + 20) {
            (try? LockTable.read().contains { $0.isWaiting && $0.pid == waiter }) ?? false
        }
        try #require(isWaiting)
        let snapshot = try Collector.collect(root: PID(subject.root), scope: .live)
        let told = snapshot.locks.filter { !$0.outsiders.isEmpty }.map {
            (snapshot[$0.file].link.split(separator: "/").last.map(String.init) ?? "", $0.outsiders)
        }
        #expect(told.count == 2, "\(told)")
        for (name, outsiders) in told {
            let pid = name == "locks.directory" ? getpid() : waiter
            let verb = name == "locks.directory" ? "held by" : "waited for by"
            #expect(
                outsiders.count == 1 && outsiders[0].hasPrefix(verb) && outsiders[0].hasSuffix("[\(pid)]"))
        }
        #expect(snapshot.locks.count == 5)
    }
}
