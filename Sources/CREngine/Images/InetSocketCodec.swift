import CPlatform

// inet_sk_entry of files.img.

extension InetSocketImage {
    func message(id: UInt32, in arena: MessageArena) -> UnsafeMutablePointer<InetSkEntry> {
        let message = arena.make(inet_sk_entry__init)
        message.pointee.id = id
        message.pointee.ino = inode
        message.pointee.family = family
        message.pointee.type = type
        message.pointee.proto = proto
        message.pointee.state = state
        message.pointee.src_port = UInt32(local.port)
        message.pointee.dst_port = UInt32(remote.port)
        message.pointee.flags = flags
        message.pointee.backlog = backlog
        let (source, destination) = (Self.words(local.address), Self.words(remote.address))
        (message.pointee.n_src_addr, message.pointee.src_addr) = (source.count, arena.array(source))
        (message.pointee.n_dst_addr, message.pointee.dst_addr) = (destination.count, arena.array(destination))
        message.pointee.fown = owner.message(in: arena)
        message.pointee.opts = options.message(in: arena)
        if let onlyIPv6 { (message.pointee.has_v6only, message.pointee.v6only) = (1, onlyIPv6 ? 1 : 0) }
        if ip != IPOptionsImage() { message.pointee.ip_opts = ip.message(in: arena) }
        if let interface { message.pointee.ifname = arena.string(interface) }
        if let shutdown {
            (message.pointee.has_shutdown, message.pointee.shutdown) = (1, SkShutdown(shutdown))
        }
        message.pointee.tcp_opts = tcp?.message(in: arena)
        if let networkNamespace {
            (message.pointee.has_ns_id, message.pointee.ns_id) = (1, networkNamespace)
        }
        return message
    }

    init(_ message: InetSkEntry, _ entry: ImageEntry) throws(ImageError) {
        self.init(inode: message.ino, family: message.family, type: message.type, proto: message.proto)
        guard family == 2 || family == 10 else {
            throw entry.error("socket \(message.id) is of family \(family), not of IPv4 or IPv6")
        }
        state = message.state
        flags = message.flags
        networkNamespace = given(message.has_ns_id, message.ns_id)
        backlog = message.backlog
        local.address = try Self.bytes(
            scalarList(message.src_addr, message.n_src_addr), local.address.count, entry)
        remote.address = try Self.bytes(
            scalarList(message.dst_addr, message.n_dst_addr), remote.address.count, entry)
        guard let source = UInt16(exactly: message.src_port), let far = UInt16(exactly: message.dst_port)
        else { throw entry.error("socket \(message.id) has a port above 65535") }
        (local.port, remote.port) = (source, far)
        owner = OwnerImage(message.fown.pointee)
        options = try SocketOptionsImage(message.opts.pointee, entry)
        onlyIPv6 = given(message.has_v6only, message.v6only != 0)
        if let part = message.ip_opts { ip = IPOptionsImage(part.pointee) }
        if message.ifname != nil {
            interface = try entry.text(message.ifname, "interface of a socket's address")
        }
        shutdown = given(message.has_shutdown, message.shutdown.rawValue)
        tcp = message.tcp_opts.map { TCPOptionsImage($0.pointee) }
    }

    /// Words of the image hold the bytes in the order of memory.
    private static func words(_ address: [UInt8]) -> [UInt32] {
        stride(from: 0, to: address.count, by: 4).map { place in
            (0..<4).reduce(0) { $0 | UInt32(address[place + $1]) << UInt32(8 * $1) }
        }
    }

    private static func bytes(
        _ words: [UInt32], _ count: Int, _ entry: ImageEntry
    ) throws(ImageError) -> [UInt8] {
        if words.isEmpty { return [UInt8](repeating: 0, count: count) }
        guard words.count * 4 == count else {
            throw entry.error("an address has \(words.count) words, not \(count / 4)")
        }
        return words.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> UInt32(8 * $0)) } }
    }
}

extension IPOptionsImage {
    fileprivate func message(in arena: MessageArena) -> UnsafeMutablePointer<IpOptsEntry> {
        let message = arena.make(ip_opts_entry__init)
        if let freeBind { (message.pointee.has_freebind, message.pointee.freebind) = (1, freeBind ? 1 : 0) }
        if let packetInfo {
            (message.pointee.has_pktinfo, message.pointee.pktinfo) = (1, packetInfo ? 1 : 0)
        }
        if let tos { (message.pointee.has_tos, message.pointee.tos) = (1, tos) }
        if let ttl { (message.pointee.has_ttl, message.pointee.ttl) = (1, ttl) }
        guard includesHeader != nil || defragmentsNot != nil || !icmpFilter.isEmpty else { return message }
        let raw = arena.make(ip_opts_raw_entry__init)
        if let includesHeader {
            (raw.pointee.has_hdrincl, raw.pointee.hdrincl) = (1, includesHeader ? 1 : 0)
        }
        if let defragmentsNot {
            (raw.pointee.has_nodefrag, raw.pointee.nodefrag) = (1, defragmentsNot ? 1 : 0)
        }
        (raw.pointee.n_icmpv_filter, raw.pointee.icmpv_filter) = (icmpFilter.count, arena.array(icmpFilter))
        message.pointee.raw = raw
        return message
    }

    fileprivate init(_ message: IpOptsEntry) {
        self.init()
        freeBind = given(message.has_freebind, message.freebind != 0)
        packetInfo = given(message.has_pktinfo, message.pktinfo != 0)
        tos = given(message.has_tos, message.tos)
        ttl = given(message.has_ttl, message.ttl)
        guard let raw = message.raw?.pointee else { return }
        includesHeader = given(raw.has_hdrincl, raw.hdrincl != 0)
        defragmentsNot = given(raw.has_nodefrag, raw.nodefrag != 0)
        icmpFilter = scalarList(raw.icmpv_filter, raw.n_icmpv_filter)
    }
}

extension TCPOptionsImage {
    fileprivate func message(in arena: MessageArena) -> UnsafeMutablePointer<TcpOptsEntry> {
        let message = arena.make(tcp_opts_entry__init)
        if let cork { (message.pointee.has_cork, message.pointee.cork) = (1, cork ? 1 : 0) }
        if let noDelay { (message.pointee.has_nodelay, message.pointee.nodelay) = (1, noDelay ? 1 : 0) }
        if let keepCount { (message.pointee.has_keepcnt, message.pointee.keepcnt) = (1, keepCount) }
        if let keepIdle { (message.pointee.has_keepidle, message.pointee.keepidle) = (1, keepIdle) }
        if let keepInterval {
            (message.pointee.has_keepintvl, message.pointee.keepintvl) = (1, keepInterval)
        }
        return message
    }

    fileprivate init(_ message: TcpOptsEntry) {
        self.init()
        cork = given(message.has_cork, message.cork != 0)
        noDelay = given(message.has_nodelay, message.nodelay != 0)
        keepCount = given(message.has_keepcnt, message.keepcnt)
        keepIdle = given(message.has_keepidle, message.keepidle)
        keepInterval = given(message.has_keepintvl, message.keepintvl)
    }
}
