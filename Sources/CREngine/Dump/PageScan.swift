import CPlatform
import Glibc

/// Finds the pages of a process that have content of their own: present or swapped, and neither a page of a file nor
/// the zero page. Uses PAGEMAP_SCAN (Linux 6.7), else /proc/PID/pagemap.
package struct PageScan: ~Copyable {
    /// Whole pages, half open.
    package struct Range: Equatable, Sendable {
        package var start: UInt64
        package var end: UInt64
        package init(start: UInt64, end: UInt64) {
            self.start = start
            self.end = end
        }
        package var pages: Int { Int((end - start) / UInt64(pageSize)) }
    }

    private static let isGuard: UInt64 = 1 << 8  // PAGE_IS_GUARD, Linux 6.15

    private let pagemap: OwnedFD
    /// Whether the ioctl exists, and whether it knows guard regions.
    private var hasScan = true
    private var knowsGuards = true
    /// Ranges that MADV_GUARD_INSTALL protects, of all areas that were looked at; no content can be read there.
    package private(set) var guards: [Range] = []

    package init(_ pid: PID) throws(Errno) {
        pagemap = try OwnedFD.open("/proc/\(pid)/pagemap", O_RDONLY)
    }

    /// Ranges in ascending order, adjacent ones joined.
    package mutating func ranges(from start: UInt64, to end: UInt64) throws(Errno) -> [Range] {
        if hasScan {
            do throws(Errno) {
                return try scan(start, end)
            } catch {
                // A kernel without guard regions refuses their bit; one without the ioctl refuses it all.
                if error == .invalid && knowsGuards {
                    knowsGuards = false
                    return try ranges(from: start, to: end)
                }
                if error.rawValue != ENOTTY && error != .invalid { throw error }
                hasScan = false
            }
        }
        return try readPagemap(start, end)
    }

    /// Finds the guard regions of an area whose content nobody asks for. Kernels before 6.15 have none in such areas.
    package mutating func findGuards(from start: UInt64, to end: UInt64) throws(Errno) {
        var regions = [cp_page_region](repeating: cp_page_region(), count: 64)
        var position = start
        while position < end, hasScan, knowsGuards {
            var argument = cp_pm_scan_arg()
            argument.size = UInt64(MemoryLayout<cp_pm_scan_arg>.size)
            argument.start = position
            argument.end = end
            argument.vec_len = UInt64(regions.count)
            argument.category_mask = Self.isGuard
            argument.return_mask = Self.isGuard
            let count = scan(&argument, into: &regions)
            if count < 0 {
                let errno = Errno(rawValue: Int32(-count))
                if errno == .invalid || errno.rawValue == ENOTTY { return }
                throw errno
            }
            for region in regions[0..<count] { Self.append(region.start, region.end, to: &guards) }
            let reached = Self.reached(argument, regions[0..<count])
            if reached <= position { break }
            position = reached
        }
    }

    func scan(_ argument: inout cp_pm_scan_arg, into regions: inout [cp_page_region]) -> Int {
        regions.withUnsafeMutableBufferPointer { buffer in
            argument.vec = UInt64(UInt(bitPattern: buffer.baseAddress))
            return withUnsafeMutablePointer(to: &argument) {
                cp_syscall(
                    CP_SYS_ioctl, Int(pagemap.rawValue), Int(CP_PAGEMAP_SCAN), Int(bitPattern: $0), 0, 0, 0)
            }
        }
    }

    private mutating func scan(_ start: UInt64, _ end: UInt64) throws(Errno) -> [Range] {
        var found: [Range] = []
        var regions = [cp_page_region](repeating: cp_page_region(), count: 1024)
        var position = start
        while position < end {
            var argument = cp_pm_scan_arg()
            argument.size = UInt64(MemoryLayout<cp_pm_scan_arg>.size)
            argument.start = position
            argument.end = end
            argument.vec_len = UInt64(regions.count)
            argument.category_inverted = UInt64(CP_PAGE_IS_FILE | CP_PAGE_IS_PFNZERO)
            argument.category_mask = argument.category_inverted
            argument.category_anyof_mask = UInt64(CP_PAGE_IS_PRESENT | CP_PAGE_IS_SWAPPED)
            argument.return_mask = UInt64(CP_PAGE_IS_PRESENT) | (knowsGuards ? Self.isGuard : 0)
            let count = scan(&argument, into: &regions)
            if count < 0 { throw Errno(rawValue: Int32(-count)) }
            for region in regions[0..<count] {
                if region.categories & Self.isGuard != 0 {
                    Self.append(region.start, region.end, to: &guards)
                } else {
                    Self.append(region.start, region.end, to: &found)
                }
            }
            let reached = Self.reached(argument, regions[0..<count])
            if reached <= position { break }
            position = reached
        }
        return found
    }

    /// Bits of a pagemap word: 63 present, 62 swapped, 61 a page of a file. See Documentation/admin-guide/mm/pagemap.rst.
    private func readPagemap(_ start: UInt64, _ end: UInt64) throws(Errno) -> [Range] {
        var found: [Range] = []
        var words = [UInt64](repeating: 0, count: 8192)
        var position = start
        while position < end {
            let wanted = min(words.count, Int((end - position) / UInt64(pageSize)))
            let bytes = try words.withUnsafeMutableBufferPointer { (buffer) throws(Errno) -> Int in
                try systemCall(
                    CP_SYS_pread64, Int(pagemap.rawValue), Int(bitPattern: buffer.baseAddress), wanted * 8,
                    Int(position / UInt64(pageSize)) * 8)
            }
            if bytes < 8 { throw .io }
            for word in words[0..<bytes / 8] {
                if word >> 62 != 0 && word & 1 << 61 == 0 {
                    Self.append(position, position + UInt64(pageSize), to: &found)
                }
                position += UInt64(pageSize)
            }
        }
        return found
    }

    /// Where a scan ended. The kernel notes it in `walk_end` when its own buffer of 512 regions is full, goes on, and leaves
    /// it at that where it then comes to the end (do_pagemap_scan() of fs/proc/task_mmu.c, Linux 6.7 to 6.18): the regions
    /// behind would be told twice.
    static func reached(_ argument: cp_pm_scan_arg, _ regions: ArraySlice<cp_page_region>) -> UInt64 {
        max(argument.walk_end, regions.last?.end ?? 0)
    }

    static func append(_ start: UInt64, _ end: UInt64, to found: inout [Range]) {
        if let last = found.last, last.end == start {
            found[found.count - 1].end = end
        } else {
            found.append(Range(start: start, end: end))
        }
    }
}
