import CPlatform

// files.img: event counters, signal, timer and process descriptors, epoll sets.

extension EventFDImage {
    func message(id: UInt32, in arena: MessageArena) -> UnsafeMutablePointer<EventfdFileEntry> {
        let message = arena.make(eventfd_file_entry__init)
        message.pointee.id = id
        message.pointee.flags = flags
        message.pointee.fown = owner.message(in: arena)
        message.pointee.counter = count
        return message
    }

    init(_ message: EventfdFileEntry) {
        self.init(flags: message.flags, count: message.counter)
        owner = OwnerImage(message.fown.pointee)
    }
}

extension SignalFDImage {
    func message(id: UInt32, in arena: MessageArena) -> UnsafeMutablePointer<SignalfdEntry> {
        let message = arena.make(signalfd_entry__init)
        message.pointee.id = id
        message.pointee.flags = flags
        message.pointee.fown = owner.message(in: arena)
        message.pointee.sigmask = mask
        return message
    }

    init(_ message: SignalfdEntry) {
        self.init(flags: message.flags, mask: message.sigmask)
        owner = OwnerImage(message.fown.pointee)
    }
}

extension TimerFDImage {
    func message(id: UInt32, in arena: MessageArena) -> UnsafeMutablePointer<TimerfdEntry> {
        let message = arena.make(timerfd_entry__init)
        message.pointee.id = id
        message.pointee.flags = flags
        message.pointee.fown = owner.message(in: arena)
        message.pointee.clockid = clock
        message.pointee.ticks = ticks
        message.pointee.settime_flags = setFlags
        message.pointee.vsec = valueSeconds
        message.pointee.vnsec = valueNanoseconds
        message.pointee.isec = intervalSeconds
        message.pointee.insec = intervalNanoseconds
        return message
    }

    init(_ message: TimerfdEntry) {
        self.init(flags: message.flags, clock: message.clockid)
        owner = OwnerImage(message.fown.pointee)
        ticks = message.ticks
        setFlags = message.settime_flags
        (valueSeconds, valueNanoseconds) = (message.vsec, message.vnsec)
        (intervalSeconds, intervalNanoseconds) = (message.isec, message.insec)
    }
}

extension ProcessFDImage {
    func message(id: UInt32, in arena: MessageArena) -> UnsafeMutablePointer<PidfdEntry> {
        let message = arena.make(pidfd_entry__init)
        message.pointee.id = id
        message.pointee.ino = inode
        message.pointee.flags = flags
        message.pointee.nspid = target
        message.pointee.fown = owner.message(in: arena)
        return message
    }

    init(_ message: PidfdEntry) {
        self.init(flags: message.flags, target: message.nspid, inode: message.ino)
        owner = OwnerImage(message.fown.pointee)
    }
}

extension NamespaceFDImage {
    func message(id: UInt32, in arena: MessageArena) -> UnsafeMutablePointer<NsFileEntry> {
        let message = arena.make(ns_file_entry__init)
        message.pointee.id = id
        message.pointee.ns_id = namespace
        message.pointee.ns_cflag = UInt32(kind.cloneFlag)
        message.pointee.flags = flags
        return message
    }

    init(_ message: NsFileEntry, _ entry: ImageEntry) throws(ImageError) {
        guard let kind = NamespaceKind.allCases.first(where: { $0.cloneFlag == message.ns_cflag }) else {
            throw entry.error(
                "file \(message.id) is of a kind of namespaces (\(hexadecimal(UInt64(message.ns_cflag)))) that is not known"
            )
        }
        self.init(flags: message.flags, kind: kind, namespace: message.ns_id)
    }
}

extension EpollImage {
    func message(id: UInt32, in arena: MessageArena) -> UnsafeMutablePointer<EventpollFileEntry> {
        let message = arena.make(eventpoll_file_entry__init)
        message.pointee.id = id
        message.pointee.flags = flags
        message.pointee.fown = owner.message(in: arena)
        let rows = targets.map { target in
            let row = arena.make(eventpoll_tfd_entry__init)
            row.pointee.tfd = target.fd
            row.pointee.events = target.events
            row.pointee.data = target.data
            if let device = target.device { (row.pointee.has_dev, row.pointee.dev) = (1, device) }
            if let inode = target.inode { (row.pointee.has_inode, row.pointee.inode) = (1, inode) }
            if let position = target.position { (row.pointee.has_pos, row.pointee.pos) = (1, position) }
            return row
        }
        (message.pointee.n_tfd, message.pointee.tfd) = (rows.count, arena.array(messages: rows))
        return message
    }

    init(_ message: EventpollFileEntry) {
        self.init(flags: message.flags)
        owner = OwnerImage(message.fown.pointee)
        targets = messageList(message.tfd, message.n_tfd).map { row in
            var target = Target(fd: row.tfd, events: row.events, data: row.data)
            target.device = given(row.has_dev, row.dev)
            target.inode = given(row.has_inode, row.inode)
            target.position = given(row.has_pos, row.pos)
            return target
        }
    }
}
