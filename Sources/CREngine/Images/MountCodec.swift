import CPlatform

// mountpoints-NS.img

extension MountNamespaceImage {
    func write(namespace: UInt32, to directory: borrowing OwnedFD) throws(ImageError) {
        var file = ImageFileWriter(.mounts, name: ImageName.mounts(namespace))
        for mount in mounts { file.append(mount.packed()) }
        try file.save(in: directory)
    }

    static func read(
        namespace: UInt32, in directory: borrowing OwnedFD, _ framing: ImageFileReader.Framing
    ) throws(ImageError) -> MountNamespaceImage {
        var reader = try ImageFileReader.open(
            .mounts, name: ImageName.mounts(namespace), in: directory, framing: framing)
        var image = MountNamespaceImage()
        var seen: Set<UInt32> = []
        while let entry = try reader.next() {
            let mount = try MountImage(entry)
            guard seen.insert(mount.id).inserted else {
                throw entry.error("mount \(mount.id) is there twice")
            }
            image.mounts.append(mount)
        }
        return image
    }
}

extension MountImage {
    fileprivate func packed() -> [UInt8] {
        MessageArena.pack { arena in
            let message = arena.make(mnt_entry__init)
            message.pointee.fstype = fileSystem
            message.pointee.mnt_id = id
            message.pointee.root_dev = device
            message.pointee.parent_mnt_id = parent
            message.pointee.flags = flags.rawValue
            message.pointee.root = arena.string(root)
            message.pointee.mountpoint = arena.string(mountPoint)
            message.pointee.source = arena.string(source)
            message.pointee.options = arena.string(options)
            (message.pointee.has_shared_id, message.pointee.shared_id) = (1, peerGroup)
            (message.pointee.has_master_id, message.pointee.master_id) = (1, masterGroup)
            if let superblockFlags {
                (message.pointee.has_sb_flags, message.pointee.sb_flags) = (1, superblockFlags.rawValue)
            }
            if isDeleted { (message.pointee.has_deleted, message.pointee.deleted) = (1, 1) }
            if hasInternalSharing {
                (message.pointee.has_internal_sharing, message.pointee.internal_sharing) = (1, 1)
            }
            if let fileSystemName { message.pointee.fsname = arena.string(fileSystemName) }
            if let externalKey { message.pointee.ext_key = arena.string(externalKey) }
            return message
        }
    }

    fileprivate init(_ entry: ImageEntry) throws(ImageError) {
        self = try entry.read(mnt_entry__unpack) { (message) throws(ImageError) -> MountImage in
            var mount = MountImage(
                id: message.mnt_id, parent: message.parent_mnt_id, device: message.root_dev,
                fileSystem: message.fstype, flags: MountFlags(rawValue: message.flags),
                root: try entry.text(message.root, "the root of a mount"),
                mountPoint: try entry.text(message.mountpoint, "a mount point"),
                source: try entry.text(message.source, "the source of a mount"),
                options: try entry.text(message.options, "the options of a mount"))
            mount.superblockFlags = given(message.has_sb_flags, message.sb_flags).map(
                MountFlags.init(rawValue:))
            mount.peerGroup = given(message.has_shared_id, message.shared_id) ?? 0
            mount.masterGroup = given(message.has_master_id, message.master_id) ?? 0
            mount.isDeleted = message.has_deleted != 0 && message.deleted != 0
            mount.hasInternalSharing = message.has_internal_sharing != 0 && message.internal_sharing != 0
            if message.fsname != nil {
                mount.fileSystemName = try entry.text(message.fsname, "the name of a file system")
            }
            if message.ext_key != nil {
                mount.externalKey = try entry.text(message.ext_key, "the key of a mount")
            }
            if message.has_ext_mount != 0, message.ext_mount != 0, mount.externalKey == nil {
                // As CRIU wrote it once: the key stood where the root stands.
                mount.externalKey = mount.root
            }
            guard message.has_with_plugin == 0 || message.with_plugin == 0 else {
                throw entry.error("mount \(mount.id) belongs to a plugin of criu's")
            }
            guard mount.mountPoint.hasPrefix("/") else {
                throw entry.error("mount \(mount.id) has a mount point without a path")
            }
            return mount
        }
    }
}
