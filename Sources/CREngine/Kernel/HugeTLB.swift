import CPlatform
import Glibc

/// Files of the kernel's own hugetlbfs: memfds, shared anonymous memory and segments in huge pages.
///
/// Such a file is read as any other, but takes no write(2) and does not tell its holes. See
/// Documentation/admin-guide/mm/hugetlbpage.rst.
package enum HugeTLB {
    /// MFD_HUGETLB of memfd_create(2)
    package static let memfdBit: UInt32 = 0x4
    /// SHM_HUGETLB of shmget(2)
    package static let segmentBit: UInt32 = 0x800
    /// MAP_HUGETLB of mmap(2)
    package static let mapBit: UInt32 = 0x4_0000
    /// The binary logarithm of the page size, in the same place for all three.
    package static let sizeShift: UInt32 = 26
    package static let sizeMask: UInt32 = 0x3f << 26

    /// The size as those calls take it.
    package static func sizeBits(_ pageSize: UInt64) -> UInt32 {
        UInt32(pageSize.trailingZeroBitCount) << sizeShift
    }

    /// Bytes of a page by such bits; nil where they name no size that can be.
    package static func pageSize(bits: UInt32) -> UInt64? {
        let logarithm = bits >> sizeShift
        return (13..<47).contains(logarithm) ? 1 << UInt64(logarithm) : nil
    }

    /// Bytes of a page of an open file; nil for a file of another file system.
    package static func pageSize(of file: Int32) throws(Errno) -> UInt64? {
        // struct statfs of asm/statfs.h: type and block size are its first words.
        var facts = [Int](repeating: 0, count: 15)
        try facts.withUnsafeMutableBufferPointer { (buffer) throws(Errno) -> Void in
            try systemCall(CP_SYS_fstatfs, Int(file), Int(bitPattern: buffer.baseAddress))
        }
        let magic = 0x9584_58f6
        return facts[0] == magic ? UInt64(facts[1]) : nil
    }

    /// Whether this kernel has a pool of pages of this size, however few.
    package static func hasPool(_ pageSize: UInt64) -> Bool {
        access("/sys/kernel/mm/hugepages/hugepages-\(pageSize >> 10)kB", F_OK) == 0
    }

    /// Writes through a mapping of those huge pages alone: a reservation of more would stay with the file.
    ///
    /// Throws `noMemory` where the pool has too few free pages, before anything is touched that is not there.
    package static func write(
        _ file: Int32, _ bytes: UnsafeRawBufferPointer, at offset: UInt64, pageSize: UInt64
    ) throws(Errno) {
        guard let source = bytes.baseAddress, bytes.count > 0 else { return }
        let first = offset / pageSize * pageSize
        let end = (offset + UInt64(bytes.count) + pageSize - 1) / pageSize * pageSize
        let start = try systemCall(
            CP_SYS_mmap, 0, Int(end - first), Int(PROT_READ | PROT_WRITE), Int(MAP_SHARED), Int(file),
            Int(first))
        defer { _ = munmap(UnsafeMutableRawPointer(bitPattern: start), Int(end - first)) }
        guard let place = UnsafeMutableRawPointer(bitPattern: start + Int(offset - first)) else {
            throw .fault
        }
        place.copyMemory(from: source, byteCount: bytes.count)
    }

    /// What to do where a pool is too small.
    package static func remedy(_ bytes: UInt64) -> String {
        "raise vm.nr_hugepages, or what is its like for the size, by \(bytes) bytes"
    }
}
