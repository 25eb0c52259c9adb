import CPlatform
import Glibc
import Testing

@testable import CREngine

/// What the kernel tells about memory in many pieces: its own buffer holds 512 of them, ours 1,024.
struct PageScanTests {
    @Test(arguments: [1, 511, 512, 513, 700, 1023, 1024, 1025, 1536, 1537, 2500])
    func `pages with gaps between them are told once each, in ascending order`(count: Int) throws {
        let area = try Area(pages: 2 * count)
        defer { area.unmap() }
        for number in 0..<count { area.write(page: 2 * number) }
        var scan = try PageScan(PID(getpid()))
        let found = try scan.ranges(from: area.start, to: area.end)
        let wanted = (0..<count).map { area.range(page: 2 * $0) }
        #expect(found == wanted)
    }

    private struct Area {
        let memory: UnsafeMutableRawPointer
        let size: Int
        var start: UInt64 { UInt64(UInt(bitPattern: memory)) }
        var end: UInt64 { start + UInt64(size) }

        init(pages: Int) throws {
            size = pages * pageSize
            memory = try #require(
                mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))
            try #require(memory != MAP_FAILED)
            // A huge page would have content between the pages that are written.
            try #require(madvise(memory, size, MADV_NOHUGEPAGE) == 0)
        }

        func unmap() { munmap(memory, size) }

        func write(page: Int) {
            (memory + page * pageSize).storeBytes(of: 1, as: UInt8.self)
        }

        func range(page: Int) -> PageScan.Range {
            let address = start + UInt64(page * pageSize)
            return PageScan.Range(start: address, end: address + UInt64(pageSize))
        }
    }
}
