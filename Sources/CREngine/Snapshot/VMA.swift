/// Place of a file in `Snapshot.mappedFiles`.
package struct MappedFileID: RawRepresentable, Hashable, Comparable, Sendable {
    package let rawValue: Int
    package init(rawValue: Int) { self.rawValue = rawValue }
    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// A file that areas of the tree map. One for each file and path, however many areas map it.
package struct MappedFile: Equatable, Sendable {
    package var id: MappedFileID
    /// Without ` (deleted)`.
    package var path: String
    /// As the map shows it, which on some file systems is not the device that statx gives.
    package var device: DeviceNumber
    package var inode: UInt64
    /// Nil where the kernel refused (map_files needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN).
    package var facts: FileFacts?
    package var reach: PathReach
    /// Any area that maps it, for opening /proc/PID/map_files/START-END.
    package var pid: PID
    package var start: UInt64
    /// Exclusive.
    package var end: UInt64

    /// Whether no name of the file is left.
    package var isDeleted: Bool { reach == .gone && facts?.links == 0 }
}

/// One mapping of one task.
package struct VMA: Equatable, Sendable {
    package var start: UInt64
    /// Exclusive.
    package var end: UInt64
    /// PROT_*
    package var protection: UInt32
    package var isShared: Bool
    /// Bytes into the file.
    package var offset: UInt64
    /// `[name]` of what has no file; empty for plain anonymous memory.
    package var name: String
    package var file: MappedFileID?
    /// Nil where only maps was read.
    package var flags: AreaFlags?
    /// What kind of area it is.
    package var kind: AreaKind
    /// Whether somebody else maps pages of it, too. False where only maps was read.
    package var hasSharedPages = false
    /// Bytes.
    package var pageSize: UInt64 = 4096

    package init(
        start: UInt64, end: UInt64, protection: UInt32, isShared: Bool, offset: UInt64 = 0, name: String = "",
        file: MappedFileID? = nil, flags: AreaFlags? = [], kind: AreaKind
    ) {
        self.start = start
        self.end = end
        self.protection = protection
        self.isShared = isShared
        self.offset = offset
        self.name = name
        self.file = file
        self.flags = flags
        self.kind = kind
    }

    /// Bytes.
    package var size: UInt64 { end - start }
    /// CRIU's status bits; nil for an area that no image can hold.
    package var status: AreaStatus? { kind.status(isShared: isShared) }
}
