/// `mm-PID.img`, and where the pages of it are (`pagemap-PID.img`, `pages-N.img`).
package struct MemoryImage: Equatable, Sendable {
    package var startCode: UInt64 = 0
    package var endCode: UInt64 = 0
    package var startData: UInt64 = 0
    package var endData: UInt64 = 0
    package var startStack: UInt64 = 0
    package var startBrk: UInt64 = 0
    package var brk: UInt64 = 0
    package var argStart: UInt64 = 0
    package var argEnd: UInt64 = 0
    package var envStart: UInt64 = 0
    package var envEnd: UInt64 = 0
    /// Id of the `FileImage` of /proc/PID/exe.
    package var exeFile: UInt32 = 0
    /// Raw words of /proc/PID/auxv; the terminator may be missing.
    package var auxv: [UInt64] = []
    /// Ascending by address.
    package var areas: [AreaImage] = []
    package var dumpable: Int32?
    package var thpDisabled: Bool?
    package var aioRings: [AsyncRingImage] = []
    package var pages = PagemapImage()
    package init() {}
}

/// One VMA.
package struct AreaImage: Equatable, Sendable {
    package var start: UInt64
    /// Exclusive.
    package var end: UInt64
    /// Bytes into the file.
    package var offset: UInt64 = 0
    /// File-backed: file id; shared anonymous: segment id; else 0.
    package var backing: UInt64 = 0
    /// PROT_*
    package var protection: UInt32
    /// MAP_*
    package var flags: UInt32
    package var status: AreaStatus
    /// Bit n means madvise(n).
    package var advice: UInt64?
    /// Open mode for the mapped file: 0 read, 1 write, 2 both.
    package var openMode: UInt32?
    /// With MAP_LOCKED: MLOCK_ONFAULT of mlock2(2). In our own `crplan.json`.
    package var locksOnFault = false
    /// By mbind(2), nil for that of the thread; in our own `crplan.json`.
    package var memoryPolicy: MemoryPolicyImage?
    /// By mseal(2); in our own `crplan.json`.
    package var isSealed = false
    /// MAP_HUGETLB of mmap(2).
    package var isHuge: Bool { flags & 0x4_0000 != 0 }
    /// MAP_DROPPABLE of mmap(2), which takes the place of MAP_PRIVATE.
    package var isDroppable: Bool { flags & 0xf == 0x8 }
    package init(start: UInt64, end: UInt64, protection: UInt32, flags: UInt32, status: AreaStatus) {
        self.start = start
        self.end = end
        self.protection = protection
        self.flags = flags
        self.status = status
    }
}

/// CRIU's status bits of a VMA.
package struct AreaStatus: OptionSet, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }
    package static let regular = AreaStatus(rawValue: 1)
    package static let vsyscall = AreaStatus(rawValue: 1 << 2)
    package static let vdso = AreaStatus(rawValue: 1 << 3)
    package static let heap = AreaStatus(rawValue: 1 << 5)
    package static let filePrivate = AreaStatus(rawValue: 1 << 6)
    package static let fileShared = AreaStatus(rawValue: 1 << 7)
    package static let anonymousShared = AreaStatus(rawValue: 1 << 8)
    package static let anonymousPrivate = AreaStatus(rawValue: 1 << 9)
    package static let systemV = AreaStatus(rawValue: 1 << 10)
    package static let socket = AreaStatus(rawValue: 1 << 11)
    package static let vvar = AreaStatus(rawValue: 1 << 12)
    package static let aioRing = AreaStatus(rawValue: 1 << 13)
    package static let memfd = AreaStatus(rawValue: 1 << 14)
    package static let shadowStack = AreaStatus(rawValue: 1 << 15)
    package static let guardRegion = AreaStatus(rawValue: 1 << 16)
}

/// Where the pages of one address space or shared segment are.
package struct PagemapImage: Equatable, Sendable {
    package struct Extent: Equatable, Sendable {
        package static let parent: UInt32 = 1
        package static let lazy: UInt32 = 2
        package static let present: UInt32 = 4
        /// Address, or byte offset inside a shared segment.
        package var address: UInt64
        /// Pages of 4 KiB.
        package var pages: UInt64
        package var flags: UInt32
        package init(address: UInt64, pages: UInt64, flags: UInt32) {
            self.address = address
            self.pages = pages
            self.flags = flags
        }
    }
    /// N of `pages-N.img`.
    package var pagesID: UInt32 = 0
    /// Ascending; the present ones follow each other in the pages file without gaps.
    package var extents: [Extent] = []
    package init() {}

    var pagesInParent: UInt64 {
        extents.reduce(0) { $1.flags & Extent.parent != 0 ? $0 + $1.pages : $0 }
    }

    /// Adds pages behind all others, to the last extent where it is of the same kind.
    mutating func append(_ address: UInt64, pages: Int, flags: UInt32) {
        if let last = extents.last, last.flags == flags,
            last.address + last.pages * UInt64(pageSize) == address
        {
            extents[extents.count - 1].pages += UInt64(pages)
        } else {
            extents.append(Extent(address: address, pages: UInt64(pages), flags: flags))
        }
    }
}

/// `pagemap-shmem-ID.img`.
package struct SharedMemoryImage: Equatable, Sendable {
    package var shmid: UInt64
    package var pages: PagemapImage
    package init(shmid: UInt64, pages: PagemapImage) {
        self.shmid = shmid
        self.pages = pages
    }
}

/// One row of `memfd.img`: a memfd, or shared anonymous memory under the name `/dev/zero`.
package struct MemfdInodeImage: Equatable, Sendable {
    package var inodeID: UInt64
    package var name: String
    package var uid: UInt32 = 0
    package var gid: UInt32 = 0
    /// Bytes.
    package var size: UInt64
    /// The inode number; pages are in `pagemap-shmem-SHMID`.
    package var shmid: UInt32
    package var seals: UInt32 = 1
    package var hugetlbFlag: UInt32?
    package var mode: UInt32?
    package init(inodeID: UInt64, name: String, size: UInt64, shmid: UInt32) {
        self.inodeID = inodeID
        self.name = name
        self.size = size
        self.shmid = shmid
    }
}

/// One io_setup(2) context.
package struct AsyncRingImage: Equatable, Sendable {
    /// Address of the ring, which is the context's id.
    package var address: UInt64
    package var requests: UInt32
    /// Bytes.
    package var length: UInt32
    package init(address: UInt64, requests: UInt32, length: UInt32) {
        self.address = address
        self.requests = requests
        self.length = length
    }

    /// With as many requests as CRIU takes for a ring of this size; how many were asked for nobody can tell.
    package init(address: UInt64, length: UInt32) {
        let places = (max(length, 4096) - UInt32(AsyncRing.headSize)) / UInt32(AsyncRing.eventSize)
        self.init(address: address, requests: (places - 2) / 2, length: length)
    }

    /// Bytes of the ring that the kernel makes for so many requests on a machine that can have so many CPUs; see
    /// ioctx_alloc in fs/aio.c.
    package func size(cpus: Int) -> UInt64 {
        let places = max(UInt64(requests), UInt64(cpus) * 4) * 2 + 2
        let bytes = UInt64(AsyncRing.headSize) + places * UInt64(AsyncRing.eventSize)
        return (bytes + UInt64(pageSize) - 1) / UInt64(pageSize) * UInt64(pageSize)
    }
}
