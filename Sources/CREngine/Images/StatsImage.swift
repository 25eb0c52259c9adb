import CPlatform

/// `stats-dump`: what a dump cost. Times in microseconds, memory in pages.
package struct DumpStatsImage: Equatable, Sendable {
    package var freezingTime: UInt32 = 0
    package var frozenTime: UInt32 = 0
    package var memoryDumpTime: UInt32 = 0
    package var memoryWriteTime: UInt32 = 0
    package var pagesScanned: UInt64 = 0
    package var pagesInParent: UInt64 = 0
    package var pagesWritten: UInt64 = 0
    package var pagesLazy: UInt64 = 0
    package var sharedPagesScanned: UInt64 = 0
    package var sharedPagesInParent: UInt64 = 0
    package var sharedPagesWritten: UInt64 = 0
    package init() {}

    /// Writes the file into a directory, which need not be that of the images.
    package func write(to directory: borrowing OwnedFD) throws(ImageError) {
        let packed = MessageArena.pack { arena in
            let message = arena.make(dump_stats_entry__init)
            message.pointee.freezing_time = freezingTime
            message.pointee.frozen_time = frozenTime
            message.pointee.memdump_time = memoryDumpTime
            message.pointee.memwrite_time = memoryWriteTime
            message.pointee.pages_scanned = pagesScanned
            message.pointee.pages_skipped_parent = pagesInParent
            message.pointee.pages_written = pagesWritten
            message.pointee.pages_lazy = pagesLazy
            (message.pointee.has_shpages_scanned, message.pointee.shpages_scanned) = (1, sharedPagesScanned)
            (message.pointee.has_shpages_skipped_parent, message.pointee.shpages_skipped_parent) =
                (1, sharedPagesInParent)
            (message.pointee.has_shpages_written, message.pointee.shpages_written) = (1, sharedPagesWritten)
            let stats = arena.make(stats_entry__init)
            stats.pointee.dump = message
            return stats
        }
        try ImageSet.writeOne(.stats, "stats-dump", packed, to: directory)
    }
}

/// `stats-restore`: what a restore cost. Times in microseconds, memory in pages.
package struct RestoreStatsImage: Equatable, Sendable {
    package var pagesCompared: UInt64 = 0
    package var pagesSkippedShared: UInt64 = 0
    package var forkingTime: UInt32 = 0
    package var restoreTime: UInt32 = 0
    package var pagesRestored: UInt64 = 0
    package init() {}

    /// Writes the file into a directory, which need not be that of the images.
    package func write(to directory: borrowing OwnedFD) throws(ImageError) {
        let packed = MessageArena.pack { arena in
            let message = arena.make(restore_stats_entry__init)
            message.pointee.pages_compared = pagesCompared
            message.pointee.pages_skipped_cow = pagesSkippedShared
            message.pointee.forking_time = forkingTime
            message.pointee.restore_time = restoreTime
            (message.pointee.has_pages_restored, message.pointee.pages_restored) = (1, pagesRestored)
            let stats = arena.make(stats_entry__init)
            stats.pointee.restore = message
            return stats
        }
        try ImageSet.writeOne(.stats, "stats-restore", packed, to: directory)
    }
}
