import CPlatform

// unix_sk_entry of files.img, and sk-queues.img.

extension UnixSocketImage {
    /// Longest sun_path; include/uapi/linux/un.h.
    private static let longestName = 108

    func message(id: UInt32, in arena: MessageArena) -> UnsafeMutablePointer<UnixSkEntry> {
        let message = arena.make(unix_sk_entry__init)
        message.pointee.id = id
        message.pointee.ino = inode
        message.pointee.type = type
        message.pointee.state = state
        message.pointee.flags = flags
        message.pointee.uflags = special
        message.pointee.backlog = backlog
        message.pointee.peer = peer
        message.pointee.fown = owner.message(in: arena)
        message.pointee.opts = options.message(in: arena)
        message.pointee.name = arena.data(name)
        if let shutdown {
            (message.pointee.has_shutdown, message.pointee.shutdown) = (1, SkShutdown(shutdown))
        }
        if let permissions {
            let part = arena.make(file_perms_entry__init)
            part.pointee.mode = permissions.mode
            part.pointee.uid = permissions.uid
            part.pointee.gid = permissions.gid
            message.pointee.file_perms = part
        }
        if let directory { message.pointee.name_dir = arena.string(directory) }
        if let isDeleted { (message.pointee.has_deleted, message.pointee.deleted) = (1, isDeleted ? 1 : 0) }
        if let networkNamespace {
            (message.pointee.has_ns_id, message.pointee.ns_id) = (1, networkNamespace)
        }
        if let mountID { (message.pointee.has_mnt_id, message.pointee.mnt_id) = (1, mountID) }
        return message
    }

    init(_ message: UnixSkEntry, _ entry: ImageEntry) throws(ImageError) {
        self.init(inode: message.ino, type: message.type, state: message.state, flags: message.flags)
        name = dataBytes(message.name)
        guard name.count <= Self.longestName else {
            throw entry.error("unix socket \(message.id) has a name of \(name.count) bytes")
        }
        special = message.uflags
        backlog = message.backlog
        peer = message.peer
        owner = OwnerImage(message.fown.pointee)
        options = try SocketOptionsImage(message.opts.pointee, entry)
        shutdown = given(message.has_shutdown, message.shutdown.rawValue)
        if let part = message.file_perms?.pointee {
            permissions = Permissions(mode: part.mode, uid: part.uid, gid: part.gid)
        }
        if message.name_dir != nil {
            directory = try entry.text(message.name_dir, "directory of unix socket \(message.id)")
        }
        isDeleted = given(message.has_deleted, message.deleted != 0)
        networkNamespace = given(message.has_ns_id, message.ns_id)
        mountID = given(message.has_mnt_id, message.mnt_id)
    }
}

extension SocketPacketImage {
    /// The entry, which `bytes` follow.
    func packed() -> [UInt8] {
        MessageArena.pack { arena in
            let message = arena.make(sk_packet_entry__init)
            message.pointee.id_for = receiver
            message.pointee.length = UInt32(bytes.count)
            if !rights.isEmpty {
                let part = arena.make(scm_entry__init)
                part.pointee.type = Self.rightsType
                (part.pointee.n_rights, part.pointee.rights) = (rights.count, arena.array(rights))
                (message.pointee.n_scm, message.pointee.scm) = (1, arena.array(messages: [part]))
            }
            return message
        }
    }

    /// SCM_RIGHTS
    private static let rightsType: UInt32 = 1

    /// Reads all rows with their payloads.
    static func readAll(_ reader: consuming ImageFileReader) throws(ImageError) -> [SocketPacketImage] {
        var rows: [SocketPacketImage] = []
        while let entry = try reader.next() {
            var (row, count) = try entry.read(sk_packet_entry__unpack) {
                (message) throws(ImageError) -> (SocketPacketImage, Int) in
                var row = SocketPacketImage(receiver: message.id_for, bytes: [])
                for part in messageList(message.scm, message.n_scm) {
                    guard part.type == Self.rightsType else {
                        throw entry.error("a packet has a control message of type \(part.type)")
                    }
                    row.rights += scalarList(part.rights, part.n_rights)
                }
                return (row, Int(message.length))
            }
            row.bytes = try reader.payload(count)
            rows.append(row)
        }
        return rows
    }
}
