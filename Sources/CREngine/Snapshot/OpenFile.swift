/// Place of an open file in `Snapshot.openFiles`.
package struct OpenFileID: RawRepresentable, Hashable, Comparable, Sendable {
    package let rawValue: Int
    package init(rawValue: Int) { self.rawValue = rawValue }
    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// One number of one task's descriptor table.
package struct Descriptor: Equatable, Sendable {
    package var fd: Int32
    package var closesOnExec: Bool
    package var file: OpenFileID
    /// Locks that this task has through it; those of the open file are shown to all who have it.
    package var locks: [LockRow] = []
    package init(fd: Int32, closesOnExec: Bool, file: OpenFileID) {
        self.fd = fd
        self.closesOnExec = closesOnExec
        self.file = file
    }
}

/// One open file description, whoever has descriptors for it; see open(2).
package struct OpenFile: Equatable, Sendable {
    package var id: OpenFileID
    /// The link of /proc/PID/fd without ` (deleted)`: a path, `pipe:[1]`, `socket:[1]`, `anon_inode:[x]`, `mnt:[1]`.
    package var link: String
    /// Nil where the kernel refused.
    package var facts: FileFacts?
    package var reach: PathReach
    /// Flags without O_CLOEXEC.
    package var info: DescriptorInfo
    /// Type of the file system by mount id; nil for mounts that no mount table shows.
    package var fileSystem: String?
    /// Another path to the same device, for a device node whose own path no longer leads to it.
    package var otherName: String?
    /// The first task and descriptor that hold it.
    package var pid: PID
    package var fd: Int32
    /// Its place in the order of kcmp(2) among those that look like it: a later look begins its search there.
    package var rank = 0

    package init(
        id: OpenFileID, link: String, facts: FileFacts?, reach: PathReach, info: DescriptorInfo, pid: PID,
        fd: Int32
    ) {
        self.id = id
        self.link = link
        self.facts = facts
        self.reach = reach
        self.info = info
        self.pid = pid
        self.fd = fd
    }

    /// Whether no name of the file is left.
    package var isDeleted: Bool { reach == .gone && facts?.links == 0 }
    /// Inode number; of a pipe or socket it names the object.
    package var inode: UInt64 { facts?.inode ?? info.inode }
    /// O_PATH
    package var isPathOnly: Bool { info.flags & 0o10000000 != 0 }
    /// O_ACCMODE is not O_WRONLY.
    package var canRead: Bool { info.flags & 3 != 1 }
    /// O_ACCMODE is not O_RDONLY.
    package var canWrite: Bool { info.flags & 3 != 0 }
}
