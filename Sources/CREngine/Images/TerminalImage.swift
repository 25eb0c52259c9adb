/// An open terminal, as `files.img` has it.
package struct TerminalFileImage: Equatable, Sendable {
    /// `TerminalImage.id` of the side that it is.
    package var terminal: UInt32
    /// Open flags without O_CLOEXEC.
    package var flags: UInt32
    package var owner = OwnerImage()
    /// The regular file that holds its path; nil for one that a restore is given from outside.
    package var regularFile: UInt32?
    package init(terminal: UInt32, flags: UInt32, regularFile: UInt32?) {
        self.terminal = terminal
        self.flags = flags
        self.regularFile = regularFile
    }
}

/// One side of a terminal: a row of `tty-info.img`, with what the side has not read yet (`tty-data.img`).
package struct TerminalImage: Equatable, Sendable {
    package enum Kind: UInt32, Sendable {
        case unknown = 0
        case pair = 1
        case console = 2
        case virtualConsole = 3
        /// /dev/tty, whatever it stands for.
        case current = 4
        case external = 5
        case serial = 6
    }
    /// Index of the pair twice, plus 1 for the master.
    package var id: UInt32
    package var kind: Kind
    package var isLocked = false
    package var isExclusive = false
    package var isPacket = false
    /// The session whose controlling terminal it is, 0 for none.
    package var session: UInt32 = 0
    /// The foreground process group, 0 for none.
    package var foreground: UInt32 = 0
    /// st_rdev of the node, in the encoding of makedev(3).
    package var rdevice: UInt32
    /// Modes, locked modes and size are all nil of a side whose other one is gone.
    package var modes: TerminalModes?
    package var lockedModes: TerminalModes?
    package var size: WindowSize?
    /// N of /dev/pts/N.
    package var pair: UInt32?
    /// st_dev of the node.
    package var device: UInt32?
    package var uid: UInt32?
    package var gid: UInt32?
    /// Of a master: there was a slave, and all are closed, so that reads fail. CRIU's images do not tell.
    package var slaveIsClosed = false
    /// Bytes in the order in which they would be read.
    package var unread: [UInt8] = []

    package init(id: UInt32, kind: Kind, rdevice: UInt32) {
        self.id = id
        self.kind = kind
        self.rdevice = rdevice
    }

    /// Whether it is the master of a pair.
    package var isMaster: Bool { kind == .pair && id & 1 != 0 }
    /// Whether the other side is gone.
    package var isHungUp: Bool { modes == nil }

    /// CRIU's index of /dev/tty among terminals.
    package static let currentIndex: UInt32 = 1006
    /// CRIU's index of the first terminal that comes from outside.
    package static let externalIndex: UInt32 = 1013

    /// The name by which --external and --inherit-fd know a terminal: `tty[8803:17]`.
    package static func key(rdevice: UInt32, device: UInt32) -> String {
        "tty[\(String(rdevice, radix: 16)):\(String(device, radix: 16))]"
    }
    package var key: String { Self.key(rdevice: rdevice, device: device ?? 0) }
}
