import CPlatform

// cgroup.img: one entry.

extension CgroupImage {
    /// Directories deeper than this are refused; the kernel's own cgroup.max.depth has no such use.
    private static let deepest = 64

    func packed() -> [UInt8] {
        MessageArena.pack { arena in
            let message = arena.make(cgroup_entry__init)
            let sets = self.sets.map { set in
                let row = arena.make(cg_set_entry__init)
                row.pointee.id = set.id
                let members = set.members.map { $0.message(in: arena) }
                (row.pointee.n_ctls, row.pointee.ctls) = (members.count, arena.array(messages: members))
                return row
            }
            (message.pointee.n_sets, message.pointee.sets) = (sets.count, arena.array(messages: sets))
            let controllers = self.controllers.map { controller in
                let row = arena.make(cg_controller_entry__init)
                let names = controller.names.map { arena.string($0) }
                (row.pointee.n_cnames, row.pointee.cnames) = (names.count, arena.array(messages: names))
                let directories = controller.directories.map { $0.message(in: arena) }
                (row.pointee.n_dirs, row.pointee.dirs) = (
                    directories.count, arena.array(messages: directories)
                )
                if let isThreaded = controller.isThreaded {
                    (row.pointee.has_is_threaded, row.pointee.is_threaded) = (1, isThreaded ? 1 : 0)
                }
                return row
            }
            (message.pointee.n_controllers, message.pointee.controllers) =
                (controllers.count, arena.array(messages: controllers))
            return message
        }
    }

    init(_ entry: ImageEntry) throws(ImageError) {
        self = try entry.read(cgroup_entry__unpack) { (message) throws(ImageError) -> CgroupImage in
            var image = CgroupImage(sets: [])
            for set: CgSetEntry in messageList(message.sets, message.n_sets) {
                guard set.id > 0 else { throw entry.error("has a cgroup set with the id 0") }
                var members: [Member] = []
                for row: CgMemberEntry in messageList(set.ctls, set.n_ctls) {
                    var member = Member(
                        hierarchy: try entry.text(row.name, "name of a cgroup hierarchy"),
                        path: try entry.text(row.path, "path of a cgroup"))
                    member.namespacePrefix = given(row.has_cgns_prefix, row.cgns_prefix)
                    members.append(member)
                }
                image.sets.append(MembershipSet(id: set.id, members: members))
            }
            for row: CgControllerEntry in messageList(message.controllers, message.n_controllers) {
                var controller = Controller(names: [], directories: [])
                for name in UnsafeBufferPointer(start: row.cnames, count: row.n_cnames) {
                    controller.names.append(try entry.text(name, "name of a cgroup controller"))
                }
                for directory: CgroupDirEntry in messageList(row.dirs, row.n_dirs) {
                    controller.directories.append(try Directory(directory, entry, depth: Self.deepest))
                }
                controller.isThreaded = given(row.has_is_threaded, row.is_threaded != 0)
                image.controllers.append(controller)
            }
            return image
        }
    }
}

extension CgroupImage.Member {
    fileprivate func message(in arena: MessageArena) -> UnsafeMutablePointer<CgMemberEntry> {
        let message = arena.make(cg_member_entry__init)
        message.pointee.name = arena.string(hierarchy)
        message.pointee.path = arena.string(path)
        if let namespacePrefix {
            (message.pointee.has_cgns_prefix, message.pointee.cgns_prefix) = (1, namespacePrefix)
        }
        return message
    }
}

extension CgroupImage.Permissions {
    fileprivate func message(in arena: MessageArena) -> UnsafeMutablePointer<CgroupPerms> {
        let message = arena.make(cgroup_perms__init)
        message.pointee.mode = mode
        message.pointee.uid = uid
        message.pointee.gid = gid
        return message
    }

    fileprivate init?(_ message: UnsafeMutablePointer<CgroupPerms>?) {
        guard let message = message?.pointee else { return nil }
        self.init(mode: message.mode, uid: message.uid, gid: message.gid)
    }
}

extension CgroupImage.Directory {
    fileprivate func message(in arena: MessageArena) -> UnsafeMutablePointer<CgroupDirEntry> {
        let message = arena.make(cgroup_dir_entry__init)
        message.pointee.dir_name = arena.string(name)
        let children = self.children.map { child in
            arena.data(MessageArena.pack { child.message(in: $0) })
        }
        (message.pointee.n_children, message.pointee.children) = (children.count, arena.array(children))
        let rows = properties.map { property in
            let row = arena.make(cgroup_prop_entry__init)
            row.pointee.name = arena.string(property.name)
            row.pointee.value = arena.string(property.value)
            row.pointee.perms = property.permissions?.message(in: arena)
            return row
        }
        (message.pointee.n_properties, message.pointee.properties) = (rows.count, arena.array(messages: rows))
        message.pointee.dir_perms = permissions?.message(in: arena)
        return message
    }

    fileprivate init(_ message: CgroupDirEntry, _ entry: ImageEntry, depth: Int) throws(ImageError) {
        guard depth > 0 else { throw entry.error("cgroup directories are nested too deeply") }
        self.init(name: try entry.text(message.dir_name, "name of a cgroup directory"))
        for child in scalarList(message.children, message.n_children) {
            let nested = ImageEntry(file: entry.file, offset: entry.offset, bytes: dataBytes(child))
            children.append(
                try nested.read(cgroup_dir_entry__unpack) {
                    (message) throws(ImageError) -> CgroupImage.Directory in
                    try CgroupImage.Directory(message, nested, depth: depth - 1)
                })
        }
        for row: CgroupPropEntry in messageList(message.properties, message.n_properties) {
            properties.append(
                CgroupImage.Property(
                    name: try entry.text(row.name, "name of a cgroup property"),
                    value: try entry.text(row.value, "value of a cgroup property"),
                    permissions: CgroupImage.Permissions(row.perms)))
        }
        permissions = CgroupImage.Permissions(message.dir_perms)
    }
}
