import Glibc
import Testing

@testable import CREngine

@Suite struct PauseLimitTests {
    @Test func `copying stops at once when the pause is over`() throws {
        let count = 16 << 20
        let memory = UnsafeMutableRawPointer.allocate(byteCount: count, alignment: pageSize)
        defer { memory.deallocate() }
        memset(memory, 7, count)
        let start = UInt64(UInt(bitPattern: memory))
        let range = PageScan.Range(start: start, end: start + UInt64(count))
        let file = OwnedFD(taking: memfd_create("pages", UInt32(MFD_CLOEXEC)))
        func copied(_ limit: PauseLimit?) throws -> Int64 {
            #expect(ftruncate(file.rawValue, 0) == 0)
            try PageCopier(pid: PID(getpid()), ranges: [range], pause: PauseClock(limit)).copy(
                to: file.rawValue, at: 0)
            return Int64(lseek(file.rawValue, 0, SEEK_END))
        }
        #expect(try copied(nil) == Int64(count))
        #expect(try copied(PauseLimit(nanoseconds: 1, aborts: false)) == Int64(count))
        #expect(throws: DumpError.self) { try copied(PauseLimit(nanoseconds: 1, aborts: true)) }
        #expect(lseek(file.rawValue, 0, SEEK_END) == 0)
    }

    @Test func `a pause that is only warned of has no deadline and is judged afterwards`() throws {
        let warned = PauseClock(PauseLimit(nanoseconds: 2_000_000, aborts: false))
        #expect(warned.deadline == nil)
        #expect(
            try warned.judge(5_000_000) == "the tree was stopped for 5 ms, dump.freeze-budget is 2 ms")
        #expect(try warned.judge(2_000_000) == nil)
        let strict = PauseClock(PauseLimit(nanoseconds: 2_000_000, aborts: true))
        #expect(strict.deadline != nil)
        #expect(throws: DumpError.pauseTooLong("the tree was stopped for 5 ms, dump.freeze-budget is 2 ms")) {
            try strict.judge(5_000_000)
        }
        #expect(try PauseClock(nil).judge(.max) == nil)
    }
}
