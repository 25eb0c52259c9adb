import CPlatform

// fdinfo-ID.img and fs-PID.img.

extension DescriptorImage {
    /// `kind` is that of the file the descriptor refers to.
    func packed(kind: UInt32) -> [UInt8] {
        MessageArena.pack { arena in
            let message = arena.make(fdinfo_entry__init)
            message.pointee.id = file
            message.pointee.flags = flags
            message.pointee.type = FdTypes(kind)
            message.pointee.fd = UInt32(bitPattern: fd)
            return message
        }
    }

    /// Reads a descriptor; `kinds` are those of all files of the set, by id.
    init(_ entry: ImageEntry, kinds: [UInt32: UInt32]) throws(ImageError) {
        self = try entry.read(fdinfo_entry__unpack) { (message) throws(ImageError) -> DescriptorImage in
            guard let fd = Int32(exactly: message.fd) else {
                throw entry.error("descriptor number \(message.fd) is not possible")
            }
            guard let kind = kinds[message.id] else {
                throw entry.error("descriptor \(fd) refers to file \(message.id), which is not in files.img")
            }
            guard kind == message.type.rawValue else {
                throw entry.error(
                    "descriptor \(fd) is of kind \(message.type.rawValue) and file \(message.id) of kind \(kind)"
                )
            }
            return DescriptorImage(fd: fd, file: message.id, flags: message.flags)
        }
    }
}

extension FilesystemImage {
    func packed() -> [UInt8] {
        MessageArena.pack { arena in
            let message = arena.make(fs_entry__init)
            message.pointee.cwd_id = cwdFile
            message.pointee.root_id = rootFile
            if let umask { (message.pointee.has_umask, message.pointee.umask) = (1, umask) }
            return message
        }
    }

    init(_ entry: ImageEntry) throws(ImageError) {
        self = try entry.read(fs_entry__unpack) { (message) throws(ImageError) -> FilesystemImage in
            FilesystemImage(
                cwdFile: message.cwd_id, rootFile: message.root_id,
                umask: given(message.has_umask, message.umask))
        }
    }
}
