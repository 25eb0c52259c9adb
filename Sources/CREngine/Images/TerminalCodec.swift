import CPlatform

// tty-info.img and tty-data.img.

extension TerminalFileImage {
    func message(id: UInt32, in arena: MessageArena) -> UnsafeMutablePointer<TtyFileEntry> {
        let message = arena.make(tty_file_entry__init)
        message.pointee.id = id
        message.pointee.tty_info_id = terminal
        message.pointee.flags = flags
        message.pointee.fown = owner.message(in: arena)
        if let regularFile { (message.pointee.has_regf_id, message.pointee.regf_id) = (1, regularFile) }
        return message
    }

    init(_ message: TtyFileEntry) {
        self.init(
            terminal: message.tty_info_id, flags: message.flags,
            regularFile: given(message.has_regf_id, message.regf_id))
        owner = OwnerImage(message.fown.pointee)
    }
}

extension TerminalImage {
    func packed() -> [UInt8] {
        MessageArena.pack { arena in
            let message = arena.make(tty_info_entry__init)
            message.pointee.id = id
            message.pointee.type = TtyType(kind.rawValue)
            message.pointee.locked = isLocked ? 1 : 0
            message.pointee.exclusive = isExclusive ? 1 : 0
            message.pointee.packet_mode = isPacket ? 1 : 0
            message.pointee.sid = session
            message.pointee.pgrp = foreground
            message.pointee.rdev = rdevice
            if let modes { message.pointee.termios = modes.message(in: arena) }
            if let lockedModes { message.pointee.termios_locked = lockedModes.message(in: arena) }
            if let size {
                let window = arena.make(winsize_entry__init)
                window.pointee.ws_row = UInt32(size.rows)
                window.pointee.ws_col = UInt32(size.columns)
                window.pointee.ws_xpixel = UInt32(size.width)
                window.pointee.ws_ypixel = UInt32(size.height)
                message.pointee.winsize = window
            }
            if let pair {
                let entry = arena.make(tty_pty_entry__init)
                entry.pointee.index = pair
                message.pointee.pty = entry
            }
            if let device { (message.pointee.has_dev, message.pointee.dev) = (1, device) }
            if let uid { (message.pointee.has_uid, message.pointee.uid) = (1, uid) }
            if let gid { (message.pointee.has_gid, message.pointee.gid) = (1, gid) }
            return message
        }
    }

    /// The row of `tty-data.img`.
    func packedData() -> [UInt8] {
        MessageArena.pack { arena in
            let message = arena.make(tty_data_entry__init)
            message.pointee.tty_id = id
            message.pointee.data = arena.data(unread)
            return message
        }
    }

    init(_ entry: ImageEntry) throws(ImageError) {
        self = try entry.read(tty_info_entry__unpack) { (message) throws(ImageError) -> TerminalImage in
            guard let kind = Kind(rawValue: message.type.rawValue) else {
                throw entry.error("terminal \(message.id) is of kind \(message.type.rawValue)")
            }
            var image = TerminalImage(id: message.id, kind: kind, rdevice: message.rdev)
            image.isLocked = message.locked != 0
            image.isExclusive = message.exclusive != 0
            image.isPacket = message.packet_mode != 0
            image.session = message.sid
            image.foreground = message.pgrp
            if let modes = message.termios?.pointee { image.modes = try TerminalModes(modes, entry) }
            if let modes = message.termios_locked?.pointee {
                image.lockedModes = try TerminalModes(modes, entry)
            }
            if let window = message.winsize?.pointee {
                var size = WindowSize()
                size.rows = UInt16(truncatingIfNeeded: window.ws_row)
                size.columns = UInt16(truncatingIfNeeded: window.ws_col)
                size.width = UInt16(truncatingIfNeeded: window.ws_xpixel)
                size.height = UInt16(truncatingIfNeeded: window.ws_ypixel)
                image.size = size
            }
            image.pair = message.pty?.pointee.index
            if kind == .pair, image.pair.map({ $0 != message.id >> 1 }) ?? true {
                throw entry.error("terminal \(message.id) is a side of no possible pair")
            }
            image.device = given(message.has_dev, message.dev)
            image.uid = given(message.has_uid, message.uid)
            image.gid = given(message.has_gid, message.gid)
            return image
        }
    }

    /// The largest row of `tty-data.img`, in bytes.
    static let mostUnread = 16384

    /// A row of `tty-data.img`.
    static func data(_ entry: ImageEntry) throws(ImageError) -> (id: UInt32, bytes: [UInt8]) {
        try entry.read(tty_data_entry__unpack) {
            (message) throws(ImageError) -> (id: UInt32, bytes: [UInt8]) in
            guard message.data.len <= mostUnread else {
                throw entry.error("terminal \(message.tty_id) has \(message.data.len) unread bytes")
            }
            return (message.tty_id, dataBytes(message.data))
        }
    }
}

extension TerminalModes {
    /// Four control characters a word, as CRIU has them; its readers want 19 words.
    fileprivate func message(in arena: MessageArena) -> UnsafeMutablePointer<TermiosEntry> {
        let message = arena.make(termios_entry__init)
        message.pointee.c_iflag = input
        message.pointee.c_oflag = output
        message.pointee.c_cflag = control
        message.pointee.c_lflag = local
        message.pointee.c_line = UInt32(line)
        message.pointee.c_ispeed = hasOtherSpeed ? inputSpeed : 0
        message.pointee.c_ospeed = hasOtherSpeed ? outputSpeed : 0
        var words = [UInt32](repeating: 0, count: Self.controlCharacters)
        for (place, character) in characters.enumerated() {
            words[place / 4] |= UInt32(character) << UInt32(place % 4 * 8)
        }
        (message.pointee.n_c_cc, message.pointee.c_cc) = (words.count, arena.array(words))
        return message
    }

    /// CBAUD is BOTHER: the speed stands in numbers.
    private var hasOtherSpeed: Bool { control & 0o10017 == 0o10000 }

    fileprivate init(_ message: TermiosEntry, _ entry: ImageEntry) throws(ImageError) {
        self.init()
        input = message.c_iflag
        output = message.c_oflag
        control = message.c_cflag
        local = message.c_lflag
        line = UInt8(truncatingIfNeeded: message.c_line)
        inputSpeed = message.c_ispeed
        outputSpeed = message.c_ospeed
        let words = scalarList(message.c_cc, message.n_c_cc)
        guard words.count >= Self.controlCharacters else {
            throw entry.error("modes of a terminal with \(words.count) words of control characters")
        }
        for place in characters.indices {
            characters[place] = UInt8(truncatingIfNeeded: words[place / 4] >> UInt32(place % 4 * 8))
        }
    }
}
