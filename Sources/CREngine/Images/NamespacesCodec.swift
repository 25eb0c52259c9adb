import CPlatform

// utsns-NS.img, pidns-NS.img, ipcns-var-NS.img and userns-NS.img; those of a network namespace are in NetworkNamespaceCodec.

extension NamespacesImage {
    /// `ids`: the numbers of the namespaces.
    func write(_ ids: KernelObjectIDs, to directory: borrowing OwnedFD) throws(ImageError) {
        var hostNames = nestedHostNames
        if let own = self.hostNames { hostNames[ids.utsNS ?? 0] = own }
        for (number, names) in hostNames {
            try ImageSet.writeOne(.hostNames, ImageName.hostNames(number), names.packed(), to: directory)
        }
        var settings = nestedIPC
        if let own = ipc { settings[ids.ipcNS ?? 0] = own }
        for (number, values) in settings {
            try ImageSet.writeOne(.ipcSettings, ImageName.ipcSettings(number), values.packed(), to: directory)
        }
        if let pidLabel {
            let bytes = MessageArena.pack { arena in
                let message = arena.make(pidns_entry__init)
                message.pointee.ext_key = arena.string(pidLabel)
                return message
            }
            try ImageSet.writeOne(
                .pidNamespace, ImageName.pidNamespace(ids.pidNS ?? 0), bytes, to: directory)
        }
        if let mounts { try mounts.write(namespace: ids.mntNS ?? 0, to: directory) }
        if let network { try network.write(namespace: ids.netNS ?? 0, to: directory) }
        if let user {
            try ImageSet.writeOne(
                .userNamespace, ImageName.userNamespace(ids.userNS ?? 0), user.packed(), to: directory)
        }
    }

    /// What a tree with these kinds of namespaces of its own must have is there afterwards.
    static func read(
        _ kinds: Set<NamespaceKind>, _ ids: KernelObjectIDs, in directory: borrowing OwnedFD,
        _ framing: ImageFileReader.Framing
    ) throws(ImageError) -> NamespacesImage {
        var image = NamespacesImage()
        if kinds.contains(.uts) { image.hostNames = try hostNames(ids.utsNS ?? 0, in: directory, framing) }
        if kinds.contains(.ipc) { image.ipc = try settings(ids.ipcNS ?? 0, in: directory, framing) }
        if kinds.contains(.pid),
            var reader = try ImageFileReader.openIfPresent(
                .pidNamespace, name: ImageName.pidNamespace(ids.pidNS ?? 0), in: directory, framing: framing)
        {
            let entry = try reader.single()
            image.pidLabel = try entry.read(pidns_entry__unpack) { (message) throws(ImageError) -> String? in
                message.ext_key == nil ? nil : try entry.text(message.ext_key, "label of the pid namespace")
            }
        }
        if kinds.contains(.mount) {
            image.mounts = try MountNamespaceImage.read(
                namespace: ids.mntNS ?? 0, in: directory, framing)
        }
        if kinds.contains(.net) {
            image.network = try NetworkNamespaceImage.read(
                namespace: ids.netNS ?? 0, in: directory, framing)
        }
        if kinds.contains(.user) {
            var reader = try ImageFileReader.open(
                .userNamespace, name: ImageName.userNamespace(ids.userNS ?? 0), in: directory,
                framing: framing)
            image.user = try UserNamespaceImage(try reader.single())
        }
        return image
    }

    /// Of namespaces that tasks are in and the root is not; those of whoever dumped are in no image.
    mutating func readNested(
        of tree: TreeImage, in directory: borrowing OwnedFD, _ framing: ImageFileReader.Framing
    ) throws(ImageError) {
        for ids in tree.tasks.compactMap(\.ids) {
            if let number = ids.utsNS, number != tree.tasks[0].ids?.utsNS,
                number != tree.inventory.rootIDs.utsNS, nestedHostNames[number] == nil
            {
                nestedHostNames[number] = try Self.hostNames(number, in: directory, framing)
            }
            if let number = ids.ipcNS, number != tree.tasks[0].ids?.ipcNS,
                number != tree.inventory.rootIDs.ipcNS, nestedIPC[number] == nil
            {
                nestedIPC[number] = try Self.settings(number, in: directory, framing)
            }
        }
    }

    private static func hostNames(
        _ number: UInt32, in directory: borrowing OwnedFD, _ framing: ImageFileReader.Framing
    ) throws(ImageError) -> HostNamesImage {
        try HostNamesImage(only(.hostNames, ImageName.hostNames(number), in: directory, framing))
    }

    private static func settings(
        _ number: UInt32, in directory: borrowing OwnedFD, _ framing: ImageFileReader.Framing
    ) throws(ImageError) -> IPCSettingsImage {
        try IPCSettingsImage(only(.ipcSettings, ImageName.ipcSettings(number), in: directory, framing))
    }

    /// The entry of a file that has one.
    private static func only(
        _ kind: ImageKind, _ name: String, in directory: borrowing OwnedFD,
        _ framing: ImageFileReader.Framing
    ) throws(ImageError) -> ImageEntry {
        var reader = try ImageFileReader.open(kind, name: name, in: directory, framing: framing)
        return try reader.single()
    }
}

extension HostNamesImage {
    /// __NEW_UTS_LEN of include/uapi/linux/utsname.h.
    private static let longest = 64

    func packed() -> [UInt8] {
        MessageArena.pack { arena in
            let message = arena.make(utsns_entry__init)
            message.pointee.nodename = arena.string(host)
            message.pointee.domainname = arena.string(domain)
            return message
        }
    }

    init(_ entry: ImageEntry) throws(ImageError) {
        self = try entry.read(utsns_entry__unpack) { (message) throws(ImageError) -> HostNamesImage in
            HostNamesImage(
                host: try entry.text(message.nodename, "host name"),
                domain: try entry.text(message.domainname, "domain name"))
        }
        guard host.utf8.count <= Self.longest, domain.utf8.count <= Self.longest else {
            throw entry.error("a name of the host has more than \(Self.longest) bytes")
        }
    }
}

extension IPCSettingsImage {
    func packed() -> [UInt8] {
        MessageArena.pack { arena in
            let message = arena.make(ipc_var_entry__init)
            message.pointee.n_sem_ctls = semaphores.count
            message.pointee.sem_ctls = arena.array(semaphores)
            func word(_ variable: Variable) -> UInt32 { UInt32(clamping: values[variable] ?? 0) }
            message.pointee.msg_ctlmax = word(.messageLargest)
            message.pointee.msg_ctlmnb = word(.messageQueueBytes)
            message.pointee.msg_ctlmni = word(.messageQueues)
            message.pointee.auto_msgmni = word(.messageQueuesAutomatic)
            message.pointee.shm_ctlmax = values[.segmentLargest] ?? 0
            message.pointee.shm_ctlall = values[.segmentPages] ?? 0
            message.pointee.shm_ctlmni = word(.segments)
            message.pointee.shm_rmid_forced = word(.segmentsGoWithTasks)
            message.pointee.mq_queues_max = word(.posixQueues)
            message.pointee.mq_msg_max = word(.posixMessages)
            message.pointee.mq_msgsize_max = word(.posixLargest)
            if let value = values[.posixMessagesDefault] {
                (message.pointee.has_mq_msg_default, message.pointee.mq_msg_default) = (
                    1, UInt32(clamping: value)
                )
            }
            if let value = values[.posixSizeDefault] {
                (message.pointee.has_mq_msgsize_default, message.pointee.mq_msgsize_default) = (
                    1, UInt32(clamping: value)
                )
            }
            return message
        }
    }

    init(_ entry: ImageEntry) throws(ImageError) {
        self = try entry.read(ipc_var_entry__unpack) { (message) throws(ImageError) -> IPCSettingsImage in
            guard message.n_sem_ctls == 4 else { throw entry.error("kernel/sem has not four numbers") }
            var image = IPCSettingsImage()
            image.semaphores = (0..<4).map { message.sem_ctls[$0] }
            image.values = [
                .messageLargest: UInt64(message.msg_ctlmax), .messageQueueBytes: UInt64(message.msg_ctlmnb),
                .messageQueues: UInt64(message.msg_ctlmni),
                .messageQueuesAutomatic: UInt64(message.auto_msgmni),
                .segmentLargest: message.shm_ctlmax, .segmentPages: message.shm_ctlall,
                .segments: UInt64(message.shm_ctlmni),
                .segmentsGoWithTasks: UInt64(message.shm_rmid_forced),
                .posixQueues: UInt64(message.mq_queues_max), .posixMessages: UInt64(message.mq_msg_max),
                .posixLargest: UInt64(message.mq_msgsize_max),
            ]
            if message.has_mq_msg_default != 0 {
                image.values[.posixMessagesDefault] = UInt64(message.mq_msg_default)
            }
            if message.has_mq_msgsize_default != 0 {
                image.values[.posixSizeDefault] = UInt64(message.mq_msgsize_default)
            }
            return image
        }
    }
}
