import CPlatform
import Glibc

/// Memory files of a tree: memfds, and the files behind MAP_SHARED|MAP_ANONYMOUS memory, made and filled once.
///
/// The second kind cannot be opened by a name. We map such memory ourselves and open the file behind the mapping
/// through /proc/self/map_files, so that the tasks' maps show `/dev/zero (deleted)` as before.
final class SharedMemoryFiles {
    private struct Backing {
        /// Open for both, ours.
        var fd: Int32
        var seals: UInt32
    }
    private let inodes: [UInt64: MemfdInodeImage]
    private let contents: [UInt64: SharedMemoryImage]
    private let pages: any PageSource
    private var backings: [UInt64: Backing] = [:]
    private var segments: [UInt64: Int32] = [:]

    init(tree: TreeImage, pages: any PageSource) {
        inodes = Dictionary(tree.memfds.map { ($0.inodeID, $0) }, uniquingKeysWith: { first, _ in first })
        contents = Dictionary(
            tree.sharedMemory.map { ($0.shmid, $0) }, uniquingKeysWith: { first, _ in first })
        self.pages = pages
    }

    deinit { closeAll() }

    /// One open description of a memfd.
    func open(_ id: UInt32, _ image: MemfdFileImage) throws(RestoreError) -> OwnedFD {
        let opened = try reopen(
            image, flags: Int32(bitPattern: image.flags) & ~(O_CREAT | O_EXCL | O_TRUNC | O_ASYNC))
        let fd = opened.rawValue
        if image.position != 0 {
            try RestoreError.about("memfd \(id)", "its offset \(image.position) cannot be set") {
                () throws(Errno) -> Void in
                try systemCall(CP_SYS_lseek, Int(fd), Int(truncatingIfNeeded: image.position), Int(SEEK_SET))
            }
        }
        return opened
    }

    /// The file for a mapping of it.
    func openForMapping(_ id: UInt32, _ image: MemfdFileImage, mode: Int32) throws(RestoreError) -> OwnedFD {
        try reopen(image, flags: mode)
    }

    /// Shared anonymous memory known by its segment id only; `size` in bytes.
    func segment(_ shmid: UInt64, size: UInt64) throws(RestoreError) -> Int32 {
        if let known = segments[shmid] { return known }
        let fd = try anonymous(size: size, huge: 0, subject: "shared memory \(shmid)").release()
        segments[shmid] = fd
        try fill(fd, shmid: shmid)
        return fd
    }

    func seal() throws(RestoreError) {
        for (inode, backing) in backings where backing.seals & ~1 != 0 {
            try RestoreError.about("memfd inode \(inode)", "cannot be sealed again") {
                () throws(Errno) -> Void in
                try systemCall(CP_SYS_fcntl, Int(backing.fd), 1033, Int(backing.seals))
            }
        }
    }

    func closeAll() {
        for backing in backings.values { _ = close(backing.fd) }
        for fd in segments.values { _ = close(fd) }
        backings = [:]
        segments = [:]
    }

    private func reopen(_ image: MemfdFileImage, flags: Int32) throws(RestoreError) -> OwnedFD {
        let backing = try self.backing(UInt64(image.inodeID))
        return try RestoreError.about("memfd inode \(image.inodeID)", "cannot be opened again") {
            () throws(Errno) in
            try OwnedFD.open("/proc/self/fd/\(backing.fd)", flags)
        }
    }

    private func backing(_ inodeID: UInt64) throws(RestoreError) -> Backing {
        if let known = backings[inodeID] { return known }
        guard let inode = inodes[inodeID] else {
            throw RestoreError("memfd inode \(inodeID)", "is missing from memfd.img")
        }
        let subject = "memfd \(inode.name)"
        let fd: Int32
        let huge = inode.hugetlbFlag ?? 0
        if inode.name == (huge == 0 ? "/dev/zero" : "/anon_hugepage") {
            fd = try anonymous(size: inode.size, huge: huge, subject: subject).release()
        } else {
            fd = try memfd(inode, subject: subject).release()
        }
        let backing = Backing(fd: fd, seals: inode.seals)
        backings[inodeID] = backing
        try fill(fd, shmid: UInt64(inode.shmid))
        return backing
    }

    private func memfd(_ inode: MemfdInodeImage, subject: String) throws(RestoreError) -> OwnedFD {
        // A file with F_SEAL_SEAL alone was made without MFD_ALLOW_SEALING.
        let flags =
            UInt32(1) | (inode.seals == 1 ? 0 : 2)
            | (inode.hugetlbFlag ?? 0) & (HugeTLB.memfdBit | HugeTLB.sizeMask)
        return try RestoreError.about(subject, "cannot be made again") { () throws(Errno) -> OwnedFD in
            let name = Array(inode.name.utf8) + [0]
            let raw = try name.withUnsafeBufferPointer { (bytes) throws(Errno) -> Int in
                try systemCall(CP_SYS_memfd_create, Int(bitPattern: bytes.baseAddress), Int(flags))
            }
            let file = OwnedFD(taking: Int32(raw))
            try systemCall(CP_SYS_ftruncate, raw, Int(inode.size))
            try systemCall(CP_SYS_fchown, raw, Int(inode.uid), Int(inode.gid))
            if let mode = inode.mode { try systemCall(CP_SYS_fchmod, raw, Int(mode & 0o7777)) }
            return file
        }
    }

    /// `huge`: flags of memfd_create(2) for huge pages of some size; 0 for others.
    private func anonymous(size: UInt64, huge: UInt32, subject: String) throws(RestoreError) -> OwnedFD {
        let page = Int(HugeTLB.pageSize(bits: huge) ?? UInt64(pageSize))
        let length = (Int(size) + page - 1) / page * page
        return try RestoreError.about(subject, "shared anonymous memory cannot be made again") {
            () throws(Errno) -> OwnedFD in
            let sharedAnonymousNoReserve = 0x4021
            let flags = huge == 0 ? 0 : HugeTLB.mapBit | huge & HugeTLB.sizeMask
            let start = try systemCall(
                CP_SYS_mmap, 0, length, 3, sharedAnonymousNoReserve | Int(flags), -1, 0)
            defer { _ = munmap(UnsafeMutableRawPointer(bitPattern: start), length) }
            let range = String(start, radix: 16) + "-" + String(start + length, radix: 16)
            return try OwnedFD.open("/proc/self/map_files/\(range)", O_RDWR)
        }
    }

    private func fill(_ fd: Int32, shmid: UInt64) throws(RestoreError) {
        guard let content = contents[shmid] else { return }
        let filling = try SharedMemoryFilling(fd, subject: "shared memory \(shmid)")
        try pages.forEachRun(of: content.pages, named: "pagemap-shmem-\(shmid).img") {
            (offset, bytes) throws(RestoreError) -> Void in try filling.put(bytes, at: offset)
        }
    }
}

/// Writes contents into a file of memory: with pwrite(2), or through a mapping where its pages are huge.
struct SharedMemoryFilling {
    private let fd: Int32
    private let subject: String
    /// Bytes; nil for a file of small pages.
    private let hugePage: UInt64?

    /// The descriptor, open for both, stays the caller's.
    init(_ fd: Int32, subject: String) throws(RestoreError) {
        self.fd = fd
        self.subject = subject
        hugePage = try RestoreError.about(subject, "cannot be examined") { () throws(Errno) in
            try HugeTLB.pageSize(of: fd)
        }
    }

    func put(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(RestoreError) {
        do throws(Errno) {
            guard let hugePage else { return try PositionedWrite.all(fd, bytes, at: offset) }
            try HugeTLB.write(fd, bytes, at: offset, pageSize: hugePage)
        } catch {
            if let hugePage, error == .noMemory {
                throw RestoreError(
                    subject, "finds too few free huge pages", remedy: HugeTLB.remedy(hugePage) + " or more")
            }
            throw RestoreError(subject, "cannot be filled", errno: error)
        }
    }
}

/// pwrite(2) to the last byte.
enum PositionedWrite {
    static func all(_ fd: Int32, _ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(Errno) {
        var done = 0
        while done < bytes.count {
            let count = try systemCall(
                CP_SYS_pwrite64, Int(fd), Int(bitPattern: bytes.baseAddress) + done, bytes.count - done,
                Int(offset) + done)
            if count == 0 { throw .io }
            done += count
        }
    }
}
