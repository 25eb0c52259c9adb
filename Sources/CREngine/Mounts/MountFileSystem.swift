/// A kind of file system: CRIU's number for it in images, and how a mount of it comes back.
package struct MountFileSystem: Equatable, Sendable {
    /// How a restore gets a mount of this kind that nothing else provides.
    package enum Making: Equatable, Sendable {
        /// Mounted anew; what it shows is the kernel's.
        case anew
        /// Mounted anew, and its files unpacked from the image.
        case withContents
        /// A new instance of its own, or the host's where it was the host's.
        case instance
        /// It needs a device or directories of the host, so only as the root or from outside.
        case fromOutside
        /// Something outside of the tree keeps it going, which no image holds.
        case served
    }
    package let name: String
    package let code: UInt32
    package let making: Making

    private init(_ name: String, _ code: UInt32, _ making: Making) {
        self.name = name
        self.code = code
        self.making = making
    }

    /// CRIU's numbers. What is not in the list is `unsupported`, such as every file system on a disk.
    package static let all = [
        MountFileSystem("proc", 1, .anew), MountFileSystem("sysfs", 2, .anew),
        MountFileSystem("devtmpfs", 3, .anew), MountFileSystem("binfmt_misc", 4, .fromOutside),
        MountFileSystem("tmpfs", 5, .withContents), MountFileSystem("devpts", 6, .instance),
        MountFileSystem("simfs", 7, .fromOutside), MountFileSystem("pstore", 8, .anew),
        MountFileSystem("securityfs", 9, .anew), MountFileSystem("fusectl", 10, .anew),
        MountFileSystem("debugfs", 11, .anew), MountFileSystem("cgroup", 12, .anew),
        MountFileSystem("aufs", 13, .fromOutside), MountFileSystem("mqueue", 14, .anew),
        MountFileSystem("fuse", 15, .served), MountFileSystem("overlay", 17, .fromOutside),
        MountFileSystem("autofs", 18, .served), MountFileSystem("tracefs", 19, .anew),
        MountFileSystem("cgroup2", 23, .anew),
    ]
    package static let unsupported = MountFileSystem("", 0, .fromOutside)
    /// A file system by the name in the image's `fsname`, which is mounted anew with the options of the image.
    package static let byName = MountFileSystem("", 16, .anew)

    /// By the name in mountinfo; those of FUSE have a subtype behind a dot.
    package static func named(_ name: String) -> MountFileSystem {
        let base = name.hasPrefix("fuse.") || name == "fuseblk" ? "fuse" : name
        return all.first { $0.name == base } ?? unsupported
    }

    /// Nil for a number that CRIU does not use.
    package static func coded(_ code: UInt32) -> MountFileSystem? {
        ([unsupported, byName] + all).first { $0.code == code }
    }
}
