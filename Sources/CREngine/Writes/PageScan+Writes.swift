import CPlatform
import Glibc

extension PageScan {
    private static let protectsMatching: UInt64 = 1
    private static let demandsWatch: UInt64 = 2

    /// Pages of one area with content that were written since they were protected last, and protects them again. An area
    /// that is not watched yet is from now on, and all its pages count as written. See PAGEMAP_SCAN in
    /// Documentation/admin-guide/mm/pagemap.rst.
    ///
    /// EPERM where the area cannot be watched; ESRCH where the watch is of memory that the task has left by execve(2).
    borrowing func writes(
        from start: UInt64, to end: UInt64, _ watch: borrowing WriteProtection
    ) throws(Errno) -> [Range] {
        do throws(Errno) {
            return try protect(start, end)
        } catch {
            if error != .perm { throw error }
        }
        do throws(Errno) {
            try watch.register(Range(start: start, end: end))
        } catch {
            throw error == .noProcess ? error : .perm
        }
        // Pages that mremap(2) brought here may come with the protection of where they were (before Linux 6.13).
        _ = try protect(start, end)
        return [Range(start: start, end: end)]
    }

    private borrowing func protect(_ start: UInt64, _ end: UInt64) throws(Errno) -> [Range] {
        var found: [Range] = []
        var regions = [cp_page_region](repeating: cp_page_region(), count: 1024)
        var position = start
        while position < end {
            var argument = cp_pm_scan_arg()
            argument.size = UInt64(MemoryLayout<cp_pm_scan_arg>.size)
            argument.flags = Self.protectsMatching | Self.demandsWatch
            argument.start = position
            argument.end = end
            argument.vec_len = UInt64(regions.count)
            argument.category_inverted = UInt64(CP_PAGE_IS_FILE | CP_PAGE_IS_PFNZERO)
            argument.category_mask = argument.category_inverted | UInt64(CP_PAGE_IS_WRITTEN)
            argument.category_anyof_mask = UInt64(CP_PAGE_IS_PRESENT | CP_PAGE_IS_SWAPPED)
            argument.return_mask = UInt64(CP_PAGE_IS_WRITTEN)
            let count = scan(&argument, into: &regions)
            if count < 0 { throw Errno(rawValue: Int32(-count)) }
            for region in regions[0..<count] { Self.append(region.start, region.end, to: &found) }
            let reached = Self.reached(argument, regions[0..<count])
            if reached <= position { break }
            position = reached
        }
        return found
    }
}
