import PolicyModel
import Testing

@testable import CREngine

/// What fdinfo tells of event objects, and what of them blocks.
@Suite struct EventKindTests {
    private func codes(_ snapshot: Snapshot) -> [FindingCode] {
        Scanner.scan(snapshot, allow: Allowances()).map(\.code)
    }

    @Test func `a member of an epoll set is understood`() throws {
        let row = try #require(
            EpollRow("tfd:       12 events: 80000019 data: ffffffffffffffff  pos:-1 ino:3df9d sdev:fe00000"))
        #expect(row.fd == 12 && row.events == 0x8000_0019 && row.data == .max && row.position == .max)
        #expect(row.inode == 0x3df9d && row.device == 0xfe0_0000)
        #expect(EpollRow("tfd: 12 events: 19") == nil && EpollRow("inotify wd:1 ino:3df9d") == nil)
    }

    @Test func `a timer is understood`() throws {
        let text = """
            pos:\t0
            flags:\t02
            clockid: 7
            ticks: 3
            settime flags: 01
            it_value: (4, 999968293)
            it_interval: (1, 0)

            """
        let state = try #require(TimerFD.State(try DescriptorInfo(parsing: Array(text.utf8))))
        #expect(state.clock == 7 && state.ticks == 3 && state.setFlags == 1)
        #expect(state.value == (4, 999_968_293) && state.interval == (1, 0) && !state.isDue)
    }

    @Test func `a pidfd blocks unless its process is in the tree or has ended`() {
        for (pid, flags, blocks) in [
            ("100", UInt32(2), false), ("-1", 2, false), ("101", 2, true), ("0", 2, true),
            ("100", 0o202, false),
        ] {
            var snapshot = ordinarySnapshot()
            addFile(&snapshot, fd: 3, link: "anon_inode:[pidfd]", mode: 0o600, reach: .notAPath) {
                $0.info.details = ["Pid:\t\(pid)"]
                $0.info.flags = flags
            }
            #expect(codes(snapshot) == (blocks ? [.pidFD] : []), "Pid \(pid)")
        }
    }

    @Test func `an epoll set blocks where a member is open nowhere in the tree`() throws {
        var snapshot = ordinarySnapshot()
        addFile(&snapshot, fd: 3, link: "pipe:[77]", mode: 0o010600, inode: 77, reach: .notAPath)
        addFile(&snapshot, fd: 4, link: "anon_inode:[eventpoll]", mode: 0o600, reach: .notAPath)
        let row = try #require(
            EpollRow("tfd:        9 events:       19 data:        9  pos:0 ino:4d sdev:f"))
        let set = OpenFileID(rawValue: 1)
        snapshot.epollTargets = [
            set: [EpollTarget(row: row, file: OpenFileID(rawValue: 0), number: 3)]
        ]
        #expect(codes(snapshot) == [])
        snapshot.epollTargets[set]?.append(EpollTarget(row: row, file: nil, number: nil))
        let finding = try #require(Scanner.scan(snapshot, allow: Allowances()).first)
        #expect(finding.code == .epoll && finding.object.fd == 4 && finding.object.inode == 77)
    }

    @Test func `memory files block where they are secret or shared with others`() {
        func scan(_ link: String, _ device: DeviceNumber, outsider: Bool = false) -> [FindingCode] {
            var snapshot = ordinarySnapshot()
            addFile(&snapshot, fd: 3, link: link, mode: 0o100777, inode: 9, reach: .notAPath) {
                $0.facts?.device = device
            }
            if outsider {
                snapshot.outsideHolders[9] = [
                    OutsideHolder(pid: PID(50), comm: "other", fd: 4, canRead: true, canWrite: true)
                ]
            }
            return codes(snapshot)
        }
        let ours = DeviceNumber(0, 1)
        #expect(scan("/memfd:x", ours) == [] && scan("/dev/zero", ours) == [])
        #expect(scan("/memfd:x", ours, outsider: true) == [.sharedMemoryOutside])
        #expect(scan("/memfd:x", DeviceNumber(0, 16)) == [])
        #expect(scan("/anon_hugepage", DeviceNumber(0, 16)) == [])
        #expect(scan("/memfd:x", DeviceNumber(0, 16), outsider: true) == [.sharedMemoryOutside])
        #expect(scan("/secretmem", DeviceNumber(0, 20)) == [.memfd])
    }

    @Test func `a program that is a memory file blocks`() {
        var snapshot = ordinarySnapshot()
        let facts = FileFacts(device: DeviceNumber(0, 1), inode: 9, mode: 0o100777)
        snapshot.tasks[0].exe = FileLink(path: "/memfd:prog", facts: facts, reach: .notAPath)
        #expect(codes(snapshot) == [.memfd])
    }
}
