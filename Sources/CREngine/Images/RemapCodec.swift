import CPlatform

// remap-fpath.img and the head of ghost-file-N.img.

extension RemapImage {
    func packed() -> [UInt8] {
        MessageArena.pack { arena in
            let message = arena.make(remap_file_path_entry__init)
            message.pointee.orig_id = file
            message.pointee.remap_id = target
            (message.pointee.has_remap_type, message.pointee.remap_type) = (1, RemapType(kind.rawValue))
            return message
        }
    }

    init(_ entry: ImageEntry) throws(ImageError) {
        self = try entry.read(remap_file_path_entry__unpack) { (message) throws(ImageError) -> RemapImage in
            guard message.has_remap_type != 0 else {
                // Before the type was stored, the top bit of the target told ghosts from links.
                let isGhost = message.remap_id >> 31 != 0
                return RemapImage(
                    file: message.orig_id, target: message.remap_id & .max >> 1,
                    kind: isGhost ? .ghost : .linked)
            }
            guard let kind = Kind(rawValue: message.remap_type.rawValue) else {
                throw entry.error("remap of kind \(message.remap_type.rawValue) is not known")
            }
            return RemapImage(file: message.orig_id, target: message.remap_id, kind: kind)
        }
    }
}

extension GhostImage {
    /// From this size on, a regular file's content is stored in chunks.
    static let chunkedSize: UInt64 = 12288
    static let typeMask: UInt32 = 0o170000
    static let regularType: UInt32 = 0o100000

    var isRegular: Bool { mode & Self.typeMask == Self.regularType }
    /// True when the content stands in chunks, so that holes stay holes.
    var isChunked: Bool { isRegular && size >= Self.chunkedSize }

    func packed() -> [UInt8] {
        MessageArena.pack { arena in
            let message = arena.make(ghost_file_entry__init)
            message.pointee.uid = uid
            message.pointee.gid = gid
            message.pointee.mode = mode
            if let device { (message.pointee.has_dev, message.pointee.dev) = (1, device) }
            if let inode { (message.pointee.has_ino, message.pointee.ino) = (1, inode) }
            if let rdevice { (message.pointee.has_rdev, message.pointee.rdev) = (1, rdevice) }
            let accessed = arena.make(timeval__init)
            (accessed.pointee.tv_sec, accessed.pointee.tv_usec) = (accessSeconds, accessMicroseconds)
            message.pointee.atim = accessed
            let modified = arena.make(timeval__init)
            (modified.pointee.tv_sec, modified.pointee.tv_usec) = (modifySeconds, modifyMicroseconds)
            message.pointee.mtim = modified
            if isChunked {
                (message.pointee.has_chunks, message.pointee.chunks) = (1, 1)
                (message.pointee.has_size, message.pointee.size) = (1, size)
            }
            if let symlinkTarget { message.pointee.symlnk_target = arena.string(symlinkTarget) }
            return message
        }
    }

    /// Reads the head; `contentSize` is what follows it in the file, in bytes.
    static func read(
        _ entry: ImageEntry, number: UInt32, contentSize: Int
    ) throws(ImageError) -> (image: GhostImage, isChunked: Bool) {
        try entry.read(ghost_file_entry__unpack) {
            (message) throws(ImageError) -> (image: GhostImage, isChunked: Bool) in
            let isChunked = message.chunks != 0
            let size = isChunked ? message.size : UInt64(contentSize)
            guard !isChunked || message.has_size != 0, size <= UInt64(Int64.max) else {
                throw entry.error("deleted file \(number) has no possible size")
            }
            var ghost = GhostImage(
                number: number, uid: message.uid, gid: message.gid, mode: message.mode, size: size)
            ghost.device = given(message.has_dev, message.dev)
            ghost.inode = given(message.has_ino, message.ino)
            ghost.rdevice = given(message.has_rdev, message.rdev)
            if let time = message.atim?.pointee {
                (ghost.accessSeconds, ghost.accessMicroseconds) = (time.tv_sec, time.tv_usec)
            }
            if let time = message.mtim?.pointee {
                (ghost.modifySeconds, ghost.modifyMicroseconds) = (time.tv_sec, time.tv_usec)
            }
            if let target = message.symlnk_target {
                ghost.symlinkTarget = try entry.text(target, "target of a deleted link")
            }
            return (ghost, isChunked)
        }
    }
}
