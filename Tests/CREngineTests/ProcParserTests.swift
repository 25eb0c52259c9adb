import Glibc
import Testing

@testable import CREngine

/// Files of /proc as `scripts/record-proc` kept them: `timers` is a C program with three POSIX timers, `locks` a
/// python that holds locks on a deleted file, an epoll set and shared memory.
@Suite struct ProcParserTests {
    private func recorded(_ path: String, source: String = #filePath) throws -> [UInt8] {
        let directory = source.split(separator: "/").dropLast().joined(separator: "/")
        return try OwnedFD.open("/\(directory)/Fixtures/proc/\(path)", O_RDONLY).readToEnd()
    }

    @Test func `stat gives its numbered fields`() throws {
        let stat = try TaskStat(parsing: recorded("timers/stat"))
        #expect(stat.id == 17198 && stat.parent == 17188 && stat.session == 17198)
        #expect(stat.comm == "subject" && stat.state == UInt8(ascii: "S"))
        #expect(stat.terminal == 0 && stat.flags == 4_194_304)
        #expect(stat.startTime == 449243 && stat.residentPages == 1268)
        #expect(stat.startCode == 94_571_322_097_664 && stat.envEnd == 140_735_909_441_511)
        #expect(stat.startBrk == 94_572_208_271_360 && stat.exitSignal == 17 && stat.exitCode == 0)
    }

    @Test func `a command name may hold parentheses, blanks and line ends`() throws {
        var line = Array("7 (a) (R 1\n) Z ".utf8)
        line += Array((4...51).map { "\($0)" }.joined(separator: " ").utf8)
        line += Array(" 1792\n".utf8)
        let stat = try TaskStat(parsing: line)
        #expect(stat.comm == "a) (R 1\n")
        #expect(stat.state == UInt8(ascii: "Z") && stat.parent == 4 && stat.exitCode == 0x700)
        #expect(throws: ProcFormatError.self) { try TaskStat(parsing: Array("7 (a) R 1 2".utf8)) }
        #expect(throws: ProcFormatError.self) { try TaskStat(parsing: []) }
    }

    @Test func `status gives ids, masks and sets`() throws {
        let status = try TaskStatus(parsing: recorded("timers/status"))
        #expect(status.threadGroup == 17198 && status.tracer == 0 && status.umask == 0o22)
        #expect(status.users == TaskStatus.IDs() && status.namespaceIDs == [17198])
        #expect(status.residentBytes == 5100 << 10)
        #expect(status.bounding == 0x1ff_feff_ffff && status.effective == status.bounding)
        #expect(status.seccompMode == 0 && !status.hasNoNewPrivileges && status.shadowStack.isEmpty)
        #expect(throws: ProcFormatError.self) { try TaskStatus(parsing: Array("SigCgt:\tnone\n".utf8)) }
        let zombie = try TaskStatus(parsing: Array("Name:\tx\nUid:\t1\t2\t3\t4\nGroups:\t5 6 \n".utf8))
        #expect(zombie.users.saved == 3 && zombie.supplementaryGroups == [5, 6] && zombie.umask == nil)
    }

    @Test func `maps and smaps give the same areas`() throws {
        for name in ["timers", "locks"] {
            let plain = try AreaList.parse(recorded("\(name)/maps"))
            var detailed = try AreaList.parse(recorded("\(name)/smaps"))
            #expect(detailed.allSatisfy { $0.flags != nil && $0.flags?.contains(.unknown) == false })
            // What only smaps tells.
            for place in detailed.indices {
                detailed[place].flags = nil
                detailed[place].hasSharedPages = false
            }
            #expect(plain == detailed)
        }
        let rows = try AreaList.parse(recorded("locks/smaps"))
        let shared = try #require(rows.first { $0.name == "/dev/zero (deleted)" })
        #expect(shared.isShared && shared.protection == 3 && shared.inode == 3601)
        #expect(shared.device == DeviceNumber(0, 1) && shared.end - shared.start == 8192)
        #expect(AreaKind(row: shared, facts: nil, sharedMemoryDevice: DeviceNumber(0, 1)) == .sharedAnonymous)
        let stack = try #require(rows.first { $0.name == "[stack]" })
        #expect(stack.flags?.contains(.growsDown) == true)
    }

    @Test(arguments: [1, 7, 1000]) func `areas may come in pieces of any size`(size: Int) throws {
        let bytes = try recorded("timers/smaps")
        var parser = AreaListParser()
        for start in stride(from: 0, to: bytes.count, by: size) {
            try bytes[start..<min(start + size, bytes.count)].withUnsafeBytes { try parser.take($0) }
        }
        #expect(try parser.finish() == AreaList.parse(bytes))
        var unended = AreaListParser()
        try Array("7f00-8f00 rw-s 00000000 00:00 0".utf8).withUnsafeBytes { try unended.take($0) }
        #expect(try unended.finish().map(\.isShared) == [true])
    }

    @Test func `names of areas may hold blanks and escapes`() throws {
        let line = "7f00-8f00 r--p 00001000 fe:00 12                         /tmp/a b\\012 (deleted)\n"
        let row = try #require(try AreaList.parse(Array(line.utf8)).first)
        #expect(row.name == "/tmp/a b\n (deleted)" && row.offset == 4096 && row.end == 0x8f00)
        #expect(throws: ProcFormatError.self) { try AreaList.parse(Array("7f00 r--p\n".utf8)) }
    }

    @Test func `descriptor info gives locks and lines of its kind`() throws {
        let file = try DescriptorInfo(parsing: recorded("locks/fdinfo/3"))
        #expect(file.flags == 0o2100002 && file.mount == 27 && file.inode == 16_236_853)
        #expect(file.locks.map(\.kind) == [.flock, .posix])
        #expect(file.locks.map(\.end) == [nil, 9] && file.locks.map(\.pid) == [17199, 17199])
        let counter = try DescriptorInfo(parsing: recorded("locks/fdinfo/5"))
        #expect(counter.detail("eventfd-count") == "a" && counter.detail("none") == nil)
        let set = try DescriptorInfo(parsing: recorded("locks/fdinfo/4"))
        #expect(set.details.count { $0.hasPrefix("tfd:") } == 1)
        #expect(throws: ProcFormatError.self) { try DescriptorInfo(parsing: Array("pos:\t0\n".utf8)) }
        let openFile = "flags:\t02\nlock:\t1: OFDLCK ADVISORY  READ -1 fe:00:9 5 EOF\n"
        let lock = try #require(try DescriptorInfo(parsing: Array(openFile.utf8)).locks.first)
        #expect(lock.kind == .openFile && lock.pid == -1 && lock.start == 5 && lock.end == nil)
    }

    @Test func `timers give signal, value, way and clock`() throws {
        let timers = try TimerRow.parse(recorded("timers/timers"))
        #expect(timers.map(\.id) == [3, 2, 1] && timers.map(\.clock) == [7, 0, 1])
        #expect(timers.map(\.signal) == [0, 0, 34] && timers.map(\.notify) == [1, 1, 0])
        #expect(timers[2].sigval == 0x4d && timers[2].target == 17198)
        let thread = "ID: 0\nsignal: 14/0000000000000000\nnotify: signal/tid.9\nClockID: -6\n"
        let row = try #require(try TimerRow.parse(Array(thread.utf8)).first)
        #expect(row.notify == 4 && row.target == 9 && row.clock == -6)
    }

    @Test func `limits come in the order of their numbers`() throws {
        let limits = try ResourceLimit.parse(recorded("timers/limits"))
        #expect(limits.count == 16)
        #expect(limits[3] == ResourceLimit(soft: 8_388_608, hard: .max))
        #expect(limits[4].soft == 0 && limits[7].soft == 20000 && limits[12].soft == 819_200)
        #expect(throws: ProcFormatError.self) { try ResourceLimit.parse(Array("Max cpu time  1 2\n".utf8)) }
    }

    @Test func `control groups, auxiliary vector and mounts`() throws {
        let groups = try CgroupRow.parse(recorded("timers/cgroup"))
        #expect(groups.last == CgroupRow(hierarchy: 0, controllers: "", path: "/"))
        #expect(groups.first?.controllers == "name=systemd")
        let words = try AuxiliaryVector.parse(recorded("timers/auxv"))
        #expect(words.suffix(2) == [0, 0] && words.count.isMultiple(of: 2))
        // AT_PAGESZ
        #expect(
            stride(from: 0, to: words.count, by: 2).first { words[$0] == 6 }.map { words[$0 + 1] } == 4096)
        let mounts = try MountRow.parse(recorded("timers/mountinfo"))
        #expect(mounts.first { $0.mountPoint == "/proc" }?.fileSystem == "proc")
        let escaped = "9 1 0:5 / /a\\040b rw shared:1 master:2 - tmpfs tmpfs rw\n"
        #expect(try MountRow.parse(Array(escaped.utf8)).first?.mountPoint == "/a b")
    }
}
