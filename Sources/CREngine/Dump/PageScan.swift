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

    /// A range that MADV_GUARD_INSTALL protects; no content can be read there.
    package struct GuardRegion: Error, Equatable, Sendable {
        package var start: UInt64
    }

    /// What a scan can end in.
    package enum Failure: Error {
        case kernel(Errno)
        case guardRegion(GuardRegion)
    }

    private static let isGuard: UInt64 = 1 << 8  // PAGE_IS_GUARD, Linux 6.15

    let pagemap: OwnedFD
    /// Whether the ioctl exists, and whether it knows guard regions.
    private var hasScan = true
    private var knowsGuards = true

    package init(_ pid: PID) throws(Errno) {
        pagemap = try OwnedFD.open("/proc/\(pid)/pagemap", O_RDONLY)
    }

    /// Ranges in ascending order, adjacent ones joined.
    package mutating func ranges(from start: UInt64, to end: UInt64) throws(Failure) -> [Range] {
        if hasScan {
            do throws(Failure) {
                return try scan(start, end)
            } catch {
                guard case .kernel(let errno) = error else { throw error }
                // A kernel without guard regions refuses their bit; one without the ioctl refuses it all.
                if errno == .invalid && knowsGuards {
                    knowsGuards = false
                    return try ranges(from: start, to: end)
                }
                if errno.rawValue != ENOTTY && errno != .invalid { throw error }
                hasScan = false
            }
        }
        do throws(Errno) {
            return try readPagemap(start, end)
        } catch {
            throw .kernel(error)
        }
    }

    /// Throws `guardRegion` where there is one; for areas whose content nobody asks for. Kernels before 6.15 have none
    /// in such areas.
    package func requireNoGuards(from start: UInt64, to end: UInt64) throws(Failure) {
        var region = cp_page_region()
        var argument = cp_pm_scan_arg()
        argument.size = UInt64(MemoryLayout<cp_pm_scan_arg>.size)
        argument.start = start
        argument.end = end
        argument.vec_len = 1
        argument.max_pages = 1
        argument.category_mask = Self.isGuard
        argument.return_mask = Self.isGuard
        let count = withUnsafeMutablePointer(to: &region) { place in
            argument.vec = UInt64(UInt(bitPattern: place))
            return withUnsafeMutablePointer(to: &argument) {
                cp_syscall(
                    CP_SYS_ioctl, Int(pagemap.rawValue), Int(CP_PAGEMAP_SCAN), Int(bitPattern: $0), 0, 0, 0)
            }
        }
        if count > 0 { throw .guardRegion(GuardRegion(start: region.start)) }
    }

    private func scan(_ start: UInt64, _ end: UInt64) throws(Failure) -> [Range] {
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
            let count = regions.withUnsafeMutableBufferPointer { buffer in
                argument.vec = UInt64(UInt(bitPattern: buffer.baseAddress))
                return withUnsafeMutablePointer(to: &argument) {
                    cp_syscall(
                        CP_SYS_ioctl, Int(pagemap.rawValue), Int(CP_PAGEMAP_SCAN), Int(bitPattern: $0), 0, 0,
                        0)
                }
            }
            if count < 0 { throw .kernel(Errno(rawValue: Int32(-count))) }
            for region in regions[0..<count] {
                if region.categories & Self.isGuard != 0 {
                    throw .guardRegion(GuardRegion(start: region.start))
                }
                Self.append(region.start, region.end, to: &found)
            }
            if argument.walk_end <= position { break }
            position = argument.walk_end
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

    private static func append(_ start: UInt64, _ end: UInt64, to found: inout [Range]) {
        if let last = found.last, last.end == start {
            found[found.count - 1].end = end
        } else {
            found.append(Range(start: start, end: end))
        }
    }
}
