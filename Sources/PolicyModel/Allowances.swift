/// What may lead out of a tree that is dumped. All is denied unless named here.
package struct Allowances: Sendable, Equatable, Codable {
    /// Session leader and pty master stay outside; a restore joins the caller's session and terminal.
    package var shellJob = false
    /// Outside ends of unix sockets.
    package var extUnixSockets = RuledAllowance<UnixSocketRule>.denied
    /// Devices whose path is gone or covered.
    package var evasiveDevices = RuledAllowance<DeviceRule>.denied
    /// A file unlinked here and linked elsewhere may get a temporary hard link.
    package var linkRemap = false
    /// Deleted files travel in the image up to this size each.
    package var ghostLimit = GhostLimit.bytes(ByteCount(1 << 20))
    /// Established connections whose remote end is outside.
    package var tcpEstablished = RuledAllowance<TCPRule>.denied
    /// Connections that are half-way through accept or connect.
    package var tcpInFlight = TCPInFlight.deny
    /// Standard streams that lead out; first match wins, no match is a denial.
    package var stdio: [StdioRule] = []
    /// Other pipes whose far end is outside.
    package var extPipes = ExternalPipes.deny
    /// Locks on files; nothing holds them between kill and restore.
    package var fileLocks = FileLocks.deny
    /// Watches on objects that cannot be named.
    package var fsnotify = FSNotify.deny
    /// External bind mounts.
    package var extMountMap = ExternalMounts.none
    /// Network pairs with one end inside.
    package var veth: [VethRule] = []
    /// `criu --external` spellings.
    package var external: [String] = []
    /// Masters of terminals stay outside, and whoever restores by RPC is given new ones. No policy can say it.
    package var orphanMasters: Bool?

    package init() {}
}

/// An allowance that is off, on for everything, or given by rules of which the first match wins.
package enum RuledAllowance<Rule: Sendable & Equatable & Codable>: Sendable, Equatable, Codable {
    case denied
    /// Everything of the kind, in the way the rule's defaults say.
    case all
    case rules([Rule])
}

/// The outside end of a unix socket, and what a restore makes of it.
package struct UnixSocketRule: Sendable, Equatable, Codable {
    /// The type that the socket has, or any.
    package enum SocketType: String, Sendable, CaseIterable, Codable {
        case dgram
        case stream
        case seqpacket
        case any
    }
    /// What a restore makes of the outside end.
    package enum OnRestore: String, Sendable, CaseIterable, Codable {
        /// A stream is reconnected only when both queues were empty.
        case reconnect
        case close
    }
    /// On the peer's bound name, `@name` for an abstract one. Nil: any, a nameless one too.
    package var path: Glob?
    package var type = SocketType.dgram
    package var onRestore = OnRestore.reconnect

    package init() {}

    /// Whether a socket is one that the rule speaks of: its type by the number that socket(2) knows, and its peer's bound
    /// name, empty for none.
    package func speaks(ofType number: UInt32, peerName: String) -> Bool {
        let isOfType =
            switch type {
            case .stream: number == 1
            case .dgram: number == 2
            case .seqpacket: number == 5
            case .any: true
            }
        return isOfType && (path?.matches(peerName) ?? true)
    }
}

/// A device by path or by number.
package enum DeviceRule: Sendable, Equatable, Codable {
    case path(Glob)
    case number(major: UInt32, minor: UInt32)
}

/// Up to which size a deleted file travels in the image.
package enum GhostLimit: Sendable, Equatable, Codable {
    /// As much as the scan found.
    case auto
    case bytes(ByteCount)
}

/// An established connection by its ends, and what becomes of it.
package struct TCPRule: Sendable, Equatable, Codable {
    /// What becomes of the connection.
    package enum Action: String, Sendable, CaseIterable, Codable {
        /// Stays locked until the restore.
        case keep
        /// The program sees a closed connection.
        case close
        case deny
    }
    /// Nil: any.
    package var peer: IPNetwork?
    /// Nil: any.
    package var peerPort: PortSet?
    /// Nil: any.
    package var localPort: PortSet?
    package var action = Action.keep

    package init() {}

    /// Whether a connection is one that the rule speaks of. Addresses are 4 or 16 bytes in network order.
    package func matches(peer address: [UInt8], peerPort: UInt16, localPort: UInt16) -> Bool {
        (peer?.contains(address) ?? true) && (self.peerPort?.contains(peerPort) ?? true)
            && (self.localPort?.contains(localPort) ?? true)
    }
}

/// What to do with connections half-way through accept or connect.
package enum TCPInFlight: String, Sendable, CaseIterable, Codable {
    case deny
    case skip
}

/// A standard stream that leads out of the tree, and what a restore puts there.
package struct StdioRule: Sendable, Equatable, Codable {
    /// What the stream is.
    package enum Kind: String, Sendable, CaseIterable, Codable {
        case pipe
        case streamSocket = "stream-socket"
        case tty
        case any
    }
    /// What a restore puts in its place.
    package enum OnRestore: Sendable, Equatable, Codable {
        /// The same stream of the restoring process.
        case inherit
        /// /dev/null
        case null
        /// An absolute path.
        case file(String)
    }
    package var kind = Kind.any
    package var onRestore = OnRestore.null

    package init() {}
}

/// Pipes, other than standard streams, whose far end is outside.
package enum ExternalPipes: String, Sendable, CaseIterable, Codable {
    case deny
    /// `restore.inherit-fd` names them.
    case inherit
    case null
}

/// Which file locks may be dumped; nothing holds a lock between kill and restore.
package enum FileLocks: String, Sendable, CaseIterable, Codable {
    case deny
    /// Every holder is inside the tree.
    case owned
    /// As `criu --file-locks`.
    case any
}

/// Watches on objects that cannot be named.
package enum FSNotify: String, Sendable, CaseIterable, Codable {
    case deny
    case drop
}

/// Bind mounts whose source is outside.
package enum ExternalMounts: Sendable, Equatable, Codable {
    case none
    case auto
    case map([ExternalMount])
}

/// One external bind mount: absolute paths.
package struct ExternalMount: Sendable, Equatable, Codable {
    /// The mount point in the tree.
    package var mountPoint: String
    /// What is mounted there at restore.
    package var source: String

    package init(mountPoint: String, source: String) {
        self.mountPoint = mountPoint
        self.source = source
    }
}

/// A veth pair with one end in the tree: interface names.
package struct VethRule: Sendable, Equatable, Codable {
    package var inner = ""
    /// Nil: the kernel names it.
    package var outer: String?
    /// The bridge that the outer end joins.
    package var bridge: String?

    package init() {}
}
