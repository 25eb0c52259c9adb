import CPlatform

// files.img: inotify and fanotify. filelocks.img.

extension FileHandleImage {
    /// CRIU writes 16 words at least, whatever is in use.
    private static let leastWords = 16
    private static let mostBytes = 128

    fileprivate func message(in arena: MessageArena) -> UnsafeMutablePointer<FhEntry> {
        let message = arena.make(fh_entry__init)
        message.pointee.bytes = UInt32(bytes.count)
        message.pointee.type = type
        var words = [UInt64](repeating: 0, count: max(Self.leastWords, (bytes.count + 7) / 8))
        for (place, byte) in bytes.enumerated() { words[place / 8] |= UInt64(byte) << (8 * (place % 8)) }
        (message.pointee.n_handle, message.pointee.handle) = (words.count, arena.array(words))
        if let path { message.pointee.path = arena.string(path) }
        if let mountID { (message.pointee.has_mnt_id, message.pointee.mnt_id) = (1, mountID) }
        return message
    }

    fileprivate init(_ message: FhEntry, _ entry: ImageEntry) throws(ImageError) {
        let words = scalarList(message.handle, message.n_handle)
        guard message.bytes <= Self.mostBytes, (Int(message.bytes) + 7) / 8 <= words.count else {
            throw entry.error("a file handle of \(message.bytes) bytes is not possible")
        }
        self.init(
            type: message.type,
            bytes: (0..<Int(message.bytes)).map { UInt8(truncatingIfNeeded: words[$0 / 8] >> (8 * ($0 % 8))) }
        )
        if message.path != nil { path = try entry.text(message.path, "path of a watched file") }
        mountID = given(message.has_mnt_id, message.mnt_id)
    }
}

extension InotifyImage {
    func message(id: UInt32, in arena: MessageArena) -> UnsafeMutablePointer<InotifyFileEntry> {
        let message = arena.make(inotify_file_entry__init)
        message.pointee.id = id
        message.pointee.flags = flags
        message.pointee.fown = owner.message(in: arena)
        let rows = watches.map { watch in
            let row = arena.make(inotify_wd_entry__init)
            row.pointee.i_ino = watch.inode
            row.pointee.mask = watch.mask
            row.pointee.s_dev = watch.device
            row.pointee.wd = watch.number
            row.pointee.f_handle = watch.handle.message(in: arena)
            return row
        }
        (message.pointee.n_wd, message.pointee.wd) = (rows.count, arena.array(messages: rows))
        return message
    }

    init(_ message: InotifyFileEntry, _ entry: ImageEntry) throws(ImageError) {
        self.init(flags: message.flags)
        owner = OwnerImage(message.fown.pointee)
        for row in messageList(message.wd, message.n_wd) {
            watches.append(
                Watch(
                    number: row.wd, inode: row.i_ino, device: row.s_dev, mask: row.mask,
                    handle: try FileHandleImage(row.f_handle.pointee, entry)))
        }
    }
}

extension FanotifyImage {
    func message(id: UInt32, in arena: MessageArena) -> UnsafeMutablePointer<FanotifyFileEntry> {
        let message = arena.make(fanotify_file_entry__init)
        message.pointee.id = id
        message.pointee.flags = flags
        message.pointee.fown = owner.message(in: arena)
        message.pointee.faflags = groupFlags
        message.pointee.evflags = eventFlags
        let rows = marks.map { Self.message($0, in: arena) }
        (message.pointee.n_mark, message.pointee.mark) = (rows.count, arena.array(messages: rows))
        return message
    }

    private static func message(
        _ mark: Mark, in arena: MessageArena
    ) -> UnsafeMutablePointer<FanotifyMarkEntry> {
        let row = arena.make(fanotify_mark_entry__init)
        row.pointee.mflags = mark.flags
        row.pointee.mask = mark.mask
        row.pointee.ignored_mask = mark.ignoredMask
        row.pointee.s_dev = mark.device
        switch mark.place {
        case .inode(let number, let handle):
            row.pointee.type = MARK_TYPE__INODE
            let part = arena.make(fanotify_inode_mark_entry__init)
            part.pointee.i_ino = number
            part.pointee.f_handle = handle.message(in: arena)
            row.pointee.ie = part
        case .mount(let id, let path):
            row.pointee.type = MARK_TYPE__MOUNT
            let part = arena.make(fanotify_mount_mark_entry__init)
            part.pointee.mnt_id = id
            if let path { part.pointee.path = arena.string(path) }
            row.pointee.me = part
        }
        return row
    }

    init(_ message: FanotifyFileEntry, _ entry: ImageEntry) throws(ImageError) {
        self.init(flags: message.flags, groupFlags: message.faflags, eventFlags: message.evflags)
        owner = OwnerImage(message.fown.pointee)
        for row in messageList(message.mark, message.n_mark) {
            let place: Mark.Place
            if row.type == MARK_TYPE__INODE, let part = row.ie?.pointee {
                place = .inode(part.i_ino, try FileHandleImage(part.f_handle.pointee, entry))
            } else if row.type == MARK_TYPE__MOUNT, let part = row.me?.pointee {
                let path = part.path == nil ? nil : try entry.text(part.path, "path of a marked mount")
                place = .mount(part.mnt_id, path: path)
            } else {
                throw entry.error("a mark of fanotify \(message.id) has no place")
            }
            marks.append(
                Mark(
                    place: place, flags: row.mflags, mask: row.mask, ignoredMask: row.ignored_mask,
                    device: row.s_dev))
        }
    }
}

extension FileLockImage {
    func packed() -> [UInt8] {
        MessageArena.pack { arena in
            let message = arena.make(file_lock_entry__init)
            message.pointee.flag = kind.rawValue
            message.pointee.type = type
            message.pointee.pid = pid.rawValue
            message.pointee.fd = fd
            message.pointee.start = start
            message.pointee.len = length
            return message
        }
    }

    init(_ entry: ImageEntry) throws(ImageError) {
        self = try entry.read(file_lock_entry__unpack) { (message) throws(ImageError) -> FileLockImage in
            guard let kind = Kind(rawValue: message.flag) else {
                throw entry.error("a lock of kind \(message.flag) is not known")
            }
            guard message.start >= 0, message.len >= 0,
                !message.start.addingReportingOverflow(message.len).overflow
            else {
                throw entry.error("a lock of \(message.len) bytes at \(message.start) is not possible")
            }
            return FileLockImage(
                kind: kind, type: message.type, pid: PID(message.pid), fd: message.fd, start: message.start,
                length: message.len)
        }
    }
}
