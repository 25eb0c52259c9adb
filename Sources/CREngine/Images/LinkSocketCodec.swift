import CPlatform

// packet_sock_entry and netlink_sk_entry of files.img.

extension PacketSocketImage {
    func message(id: UInt32, in arena: MessageArena) -> UnsafeMutablePointer<PacketSockEntry> {
        let message = arena.make(packet_sock_entry__init)
        message.pointee.id = id
        message.pointee.type = type
        message.pointee.protocol = proto
        message.pointee.flags = flags
        message.pointee.ifindex = interface
        message.pointee.fown = owner.message(in: arena)
        message.pointee.opts = options.message(in: arena)
        message.pointee.version = version
        message.pointee.reserve = reserve
        message.pointee.aux_data = auxData ? 1 : 0
        message.pointee.orig_dev = originalDevice ? 1 : 0
        message.pointee.vnet_hdr = netHeader ? 1 : 0
        message.pointee.loss = loss ? 1 : 0
        message.pointee.timestamp = timestamp
        message.pointee.copy_thresh = copyThreshold
        let rows = memberships.map { membership in
            let row = arena.make(packet_mclist__init)
            row.pointee.index = membership.interface
            row.pointee.type = membership.type
            row.pointee.addr = arena.data(membership.address)
            return row
        }
        (message.pointee.n_mclist, message.pointee.mclist) = (rows.count, arena.array(messages: rows))
        if let fanout { (message.pointee.has_fanout, message.pointee.fanout) = (1, fanout) }
        if let networkNamespace {
            (message.pointee.has_ns_id, message.pointee.ns_id) = (1, networkNamespace)
        }
        return message
    }

    init(_ message: PacketSockEntry, _ entry: ImageEntry) throws(ImageError) {
        self.init(type: message.type, proto: message.protocol)
        options = try SocketOptionsImage(message.opts.pointee, entry)
        flags = message.flags
        networkNamespace = given(message.has_ns_id, message.ns_id)
        interface = message.ifindex
        owner = OwnerImage(message.fown.pointee)
        version = message.version
        reserve = message.reserve
        auxData = message.aux_data != 0
        originalDevice = message.orig_dev != 0
        netHeader = message.vnet_hdr != 0
        loss = message.loss != 0
        timestamp = message.timestamp
        copyThreshold = message.copy_thresh
        memberships = messageList(message.mclist, message.n_mclist).map {
            Membership(interface: $0.index, type: $0.type, address: dataBytes($0.addr))
        }
        if message.has_fanout != 0, message.fanout != .max { fanout = message.fanout }
        hasRing = message.rx_ring != nil || message.tx_ring != nil
    }
}

extension NetlinkSocketImage {
    func message(id: UInt32, in arena: MessageArena) -> UnsafeMutablePointer<NetlinkSkEntry> {
        let message = arena.make(netlink_sk_entry__init)
        message.pointee.id = id
        message.pointee.ino = inode
        message.pointee.protocol = proto
        message.pointee.state = state
        message.pointee.flags = flags
        message.pointee.portid = port
        (message.pointee.n_groups, message.pointee.groups) = (groups.count, arena.array(groups))
        message.pointee.dst_portid = remotePort
        message.pointee.dst_group = remoteGroup
        message.pointee.fown = owner.message(in: arena)
        message.pointee.opts = options.message(in: arena)
        if let networkNamespace {
            (message.pointee.has_ns_id, message.pointee.ns_id) = (1, networkNamespace)
        }
        return message
    }

    init(_ message: NetlinkSkEntry, _ entry: ImageEntry) throws(ImageError) {
        self.init(inode: message.ino, proto: message.protocol)
        state = message.state
        flags = message.flags
        networkNamespace = given(message.has_ns_id, message.ns_id)
        port = message.portid
        groups = scalarList(message.groups, message.n_groups)
        remotePort = message.dst_portid
        remoteGroup = message.dst_group
        owner = OwnerImage(message.fown.pointee)
        options = try SocketOptionsImage(message.opts.pointee, entry)
    }
}
