/// What statx(2) says of a file, taken through a link of /proc, which opens nothing.
package struct FileFacts: Equatable, Sendable {
    package var device: DeviceNumber
    package var inode: UInt64
    /// st_mode, type and permissions.
    package var mode: UInt32
    package var links: UInt32
    package var uid: UInt32
    package var gid: UInt32
    /// Bytes.
    package var size: UInt64
    /// Allocated, in units of 512 bytes.
    package var blocks: UInt64
    /// Of a device node.
    package var represents: DeviceNumber
    package var accessSeconds: Int64 = 0
    package var accessNanoseconds: UInt32 = 0
    package var modifySeconds: Int64 = 0
    package var modifyNanoseconds: UInt32 = 0
    /// Of the mount that the link led through; 0 where the kernel does not say.
    package var mount: UInt64 = 0

    package init(device: DeviceNumber, inode: UInt64, mode: UInt32) {
        self.device = device
        self.inode = inode
        self.mode = mode
        links = 1
        uid = 0
        gid = 0
        size = 0
        blocks = 0
        represents = DeviceNumber(0, 0)
    }

    package enum FileType: UInt32, Sendable {
        case fifo = 0o010000
        case characterDevice = 0o020000
        case directory = 0o040000
        case blockDevice = 0o060000
        case regular = 0o100000
        case symbolicLink = 0o120000
        case socket = 0o140000
        /// An anonymous inode has no type.
        case none = 0
    }
    package var type: FileType { FileType(rawValue: mode & 0o170000) ?? .none }

    /// Whether both are the same file.
    package func isSameFile(as other: FileFacts) -> Bool {
        device == other.device && inode == other.inode
    }
}

/// Where a path leads that the kernel gives for an open file.
package enum PathReach: Equatable, Sendable {
    /// To this very file.
    case same
    /// Nowhere: the name is gone.
    case gone
    /// To another file: replaced, or covered by a mount.
    case other
    /// It is no path: a pipe, socket, anonymous inode.
    case notAPath
    /// It could not be checked: another mount namespace or root.
    case unknown
}

/// A link of /proc that leads to a file: exe, cwd, root.
package struct FileLink: Equatable, Sendable {
    /// Without ` (deleted)`.
    package var path: String
    package var facts: FileFacts?
    package var reach: PathReach

    package init(path: String, facts: FileFacts?, reach: PathReach) {
        self.path = path
        self.facts = facts
        self.reach = reach
    }

    /// Whether no name of the file is left.
    package var isDeleted: Bool { reach == .gone && facts?.links == 0 }
}
