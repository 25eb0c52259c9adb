// Rows of `files.img` that watch files, and what names a watched file.

/// How a file is found again that nobody has open: see name_to_handle_at(2).
package struct FileHandleImage: Equatable, Sendable {
    package var type: UInt32
    /// At most 128.
    package var bytes: [UInt8]
    /// A path that led to the file at the dump.
    package var path: String?
    package var mountID: UInt32?
    package init(type: UInt32, bytes: [UInt8]) {
        self.type = type
        self.bytes = bytes
    }
}

/// See inotify(7).
package struct InotifyImage: Equatable, Sendable {
    /// A number costs a try for each one below it; this many take half a minute.
    package static let highestNumber: UInt32 = 1 << 24

    package struct Watch: Equatable, Sendable {
        /// The number that events carry.
        package var number: UInt32
        package var inode: UInt64
        /// Kernel encoding, major<<20|minor.
        package var device: UInt32
        /// IN_*
        package var mask: UInt32
        package var handle: FileHandleImage
        package init(number: UInt32, inode: UInt64, device: UInt32, mask: UInt32, handle: FileHandleImage) {
            self.number = number
            self.inode = inode
            self.device = device
            self.mask = mask
            self.handle = handle
        }
    }
    package var flags: UInt32
    package var owner = OwnerImage()
    package var watches: [Watch] = []
    package init(flags: UInt32) { self.flags = flags }
}

/// See fanotify(7).
package struct FanotifyImage: Equatable, Sendable {
    package struct Mark: Equatable, Sendable {
        /// What a mark is on.
        package enum Place: Equatable, Sendable {
            case inode(UInt64, FileHandleImage)
            /// The mount id is that of the dumping host.
            case mount(UInt32, path: String?)
        }
        package var place: Place
        /// FAN_MARK_IGNORED_SURV_MODIFY 0x40, FAN_MARK_EVICTABLE 0x200, FAN_MARK_IGNORE 0x400.
        package var flags: UInt32
        /// FAN_*
        package var mask: UInt32
        package var ignoredMask: UInt32
        /// Kernel encoding; of a mount, 0.
        package var device: UInt32
        package init(place: Place, flags: UInt32, mask: UInt32, ignoredMask: UInt32, device: UInt32) {
            self.place = place
            self.flags = flags
            self.mask = mask
            self.ignoredMask = ignoredMask
            self.device = device
        }
    }
    package var flags: UInt32
    package var owner = OwnerImage()
    /// Of fanotify_init(2).
    package var groupFlags: UInt32
    /// Open flags of the descriptors that come with events.
    package var eventFlags: UInt32
    package var marks: [Mark] = []
    package init(flags: UInt32, groupFlags: UInt32, eventFlags: UInt32) {
        self.flags = flags
        self.groupFlags = groupFlags
        self.eventFlags = eventFlags
    }
}
