import PolicyModel
import Testing

@testable import CREngine

/// Locks and watches: what the kernel's lines say, and what blocks.
@Suite struct LockRuleTests {
    private func row(_ line: String) -> LockRow? { LockRow(Array(line.utf8)[...]) }

    @Test func `lines of proc locks are understood`() throws {
        let lock = try #require(row("1: POSIX  ADVISORY  WRITE 18728 fe:00:16221673 5 14"))
        #expect(lock.kind == .posix && lock.access == "WRITE" && lock.pid == 18728)
        #expect(lock.device == DeviceNumber(254, 0) && lock.inode == 16_221_673)
        #expect(lock.start == 5 && lock.end == 14 && !lock.isWaiting)
        #expect(lock.description == "POSIX write lock of bytes 5-14")
        let waiting = try #require(row("12: -> OFDLCK ADVISORY  READ  -1 00:1b:42 0 EOF"))
        #expect(waiting.isWaiting && waiting.kind == .openFile && waiting.end == nil)
        let lease = try #require(row("3: LEASE  BREAKING  READ  77 fe:00:9 0 EOF"))
        #expect(lease.kind == .lease && lease.mode == "BREAKING")
        #expect(row("garbage") == nil && row("1: POSIX ADVISORY WRITE 1 fe:00 0 EOF") == nil)
    }

    @Test func `locks exclude each other by kind, range and access`() throws {
        func lock(_ text: String) throws -> LockRow { try #require(row("1: \(text)")) }
        let write = try lock("POSIX ADVISORY WRITE 1 fe:00:9 5 14")
        #expect(write.excludes(try lock("OFDLCK ADVISORY READ -1 fe:00:9 14 EOF")))
        #expect(!write.excludes(try lock("POSIX ADVISORY WRITE 2 fe:00:9 15 EOF")))
        #expect(!write.excludes(try lock("POSIX ADVISORY WRITE 2 fe:01:9 0 EOF")))
        #expect(!write.excludes(try lock("FLOCK ADVISORY WRITE 2 fe:00:9 0 EOF")))
        let read = try lock("FLOCK ADVISORY READ 1 fe:00:9 0 EOF")
        #expect(!read.excludes(read))
        #expect(read.excludes(try lock("FLOCK ADVISORY WRITE 2 fe:00:9 0 EOF")))
    }

    private func locked(_ line: String, outsiders: [String] = []) throws -> Snapshot {
        var snapshot = ordinarySnapshot()
        addFile(&snapshot, fd: 3, link: "/srv/data", mode: 0o100644)
        var lock = HeldLock(
            row: try #require(row(line)), pid: PID(100), fd: 3, file: OpenFileID(rawValue: 0))
        lock.outsiders = outsiders
        snapshot.locks = [lock]
        return snapshot
    }

    private func verdicts(_ snapshot: Snapshot, _ locks: FileLocks) -> [String] {
        var allow = Allowances()
        allow.fileLocks = locks
        return Scanner.scan(snapshot, allow: allow).map { "\($0.code) \($0.severity)" }
    }

    @Test func `owned allows what nobody outside has to do with, any allows all`() throws {
        let own = try locked("1: FLOCK ADVISORY WRITE 100 fe:00:42 0 EOF")
        #expect(verdicts(own, .deny) == ["flock block"])
        #expect(verdicts(own, .owned) == ["flock allowed"] && verdicts(own, .any) == ["flock allowed"])
        let shared = try locked(
            "1: OFDLCK ADVISORY READ -1 fe:00:42 0 EOF", outsiders: ["waited for by cat[7]"])
        #expect(verdicts(shared, .owned) == ["openFileLock allowed", "lockOutside block"])
        #expect(verdicts(shared, .any) == ["openFileLock allowed"])
    }

    @Test func `a lease that is being broken blocks whatever is allowed`() throws {
        let active = try locked("1: LEASE ACTIVE WRITE 100 fe:00:42 0 EOF")
        #expect(verdicts(active, .any) == ["lease allowed"])
        let breaking = try locked("1: LEASE BREAKING READ 100 fe:00:42 0 EOF")
        #expect(verdicts(breaking, .any) == ["leaseUnsettled block"])
    }

    @Test func `watches are understood`() throws {
        let line =
            "inotify wd:2a ino:3df9d sdev:fe00000 mask:80000100 ignored_mask:0 fhandle-bytes:8 fhandle-type:1 f_handle:9ddf030001020304"
        let watch = try #require(WatchRow(line))
        #expect(watch.place == .watch(42) && watch.inode == 0x3df9d && watch.device == 0xfe0_0000)
        #expect(watch.mask == 0x8000_0100 && watch.handleType == 1)
        #expect(watch.handle == [0x9d, 0xdf, 3, 0, 1, 2, 3, 4])
        let mount = try #require(WatchRow("fanotify mnt_id:1b mflags:0 mask:22 ignored_mask:4"))
        #expect(mount.place == .mount(27) && mount.mask == 0x22 && mount.ignoredMask == 4)
        #expect(WatchRow("fanotify flags:10 event-flags:8002") == nil)
        let other = try #require(WatchRow("fanotify sdev:fe00000 mflags:0 mask:22 ignored_mask:0"))
        if case .other = other.place {} else { Issue.record("a mark of a file system is \(other.place)") }
    }

    @Test func `watches of what cannot be found follow fsnotify, unread events block`() throws {
        var snapshot = ordinarySnapshot()
        addFile(&snapshot, fd: 3, link: "anon_inode:inotify", mode: 0o600, reach: .notAPath)
        var facts = WatchFacts()
        let row = try #require(WatchRow("inotify wd:1 ino:9 sdev:fe00000 mask:2 ignored_mask:0"))
        facts.watches = [Watch(row: row, path: "/etc/x", isFound: true)]
        snapshot.watches[OpenFileID(rawValue: 0)] = facts
        #expect(Scanner.scan(snapshot, allow: Allowances()) == [])
        facts.watches.append(Watch(row: row, path: nil, isFound: false))
        facts.unread = 32
        snapshot.watches[OpenFileID(rawValue: 0)] = facts
        var allow = Allowances()
        #expect(Scanner.scan(snapshot, allow: allow).map(\.code) == [.unreadEvents, .inotify])
        #expect(Scanner.scan(snapshot, allow: allow).allSatisfy { $0.severity == .block })
        allow.fsnotify = .drop
        #expect(Scanner.scan(snapshot, allow: allow).map(\.severity) == [.block, .allowed])
    }
}
