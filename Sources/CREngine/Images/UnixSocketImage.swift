/// One unix socket, in CRIU's terms. See unix(7).
package struct UnixSocketImage: Equatable, Sendable {
    /// Mode and owner of the file that a path is bound to.
    package struct Permissions: Equatable, Sendable {
        package var mode: UInt32
        package var uid: UInt32
        package var gid: UInt32
        package init(mode: UInt32, uid: UInt32, gid: UInt32) {
            self.mode = mode
            self.uid = uid
            self.gid = gid
        }
    }
    /// Bits of `special`.
    package static let outside: UInt32 = 1

    package var inode: UInt32
    /// 1 stream, 2 dgram, 5 seqpacket.
    package var type: UInt32
    /// 1 established, 7 close, 10 listen.
    package var state: UInt32
    /// File status flags as fdinfo shows them.
    package var flags: UInt32
    /// 1: the outside end of a socket of the tree, which nobody of the tree holds.
    package var special: UInt32 = 0
    /// Of a listening socket, the longest queue of connections.
    package var backlog: UInt32 = 0
    /// Inode of the other end; of a connection not accepted yet, that of the listening socket; 0 for none.
    package var peer: UInt32 = 0
    package var owner = OwnerImage()
    package var options = SocketOptionsImage()
    /// As in sun_path: a path with its NUL, or a NUL and an abstract name; empty for none.
    package var name: [UInt8] = []
    /// 1 for reading, 2 for writing, 3 both; nil or 0 for neither.
    package var shutdown: UInt32?
    package var permissions: Permissions?
    /// Where a relative name was bound.
    package var directory: String?
    /// The bound path is gone, or is another file.
    package var isDeleted: Bool?
    package var networkNamespace: UInt32?
    package var mountID: Int32?
    // CRIU has no fields for these; they are in our own `crplan.json`.
    /// Whom SO_PEERCRED names: the process that made the other end, or that listened.
    package var peerCredentials: SocketCredentialsImage?
    /// The peer was closed with unread bytes, and the program has not been told yet (ECONNRESET).
    package var isReset: Bool?
    /// Of a datagram socket: the peer was closed.
    package var peerIsGone: Bool?
    /// Of a listening socket: inodes of the clients that wait to be accepted, the first one first.
    package var waiting: [UInt32] = []

    package init(inode: UInt32, type: UInt32, state: UInt32, flags: UInt32) {
        self.inode = inode
        self.type = type
        self.state = state
        self.flags = flags
    }

    /// The bound path without its NUL; nil for an abstract name or none.
    package var path: [UInt8]? {
        guard let first = name.first, first != 0 else { return nil }
        return Array(name.prefix { $0 != 0 })
    }

    /// The name for messages: a path, `@` and an abstract name, or the inode.
    package var title: String { name.isEmpty ? "socket:[\(inode)]" : Self.title(name) }

    /// A name of a socket for messages.
    static func title(_ name: [UInt8]) -> String {
        if name.first == 0 { return "@" + String(decoding: name.dropFirst(), as: UTF8.self) }
        return String(decoding: name.prefix { $0 != 0 }, as: UTF8.self)
    }
}

/// struct ucred of unix(7).
package struct SocketCredentialsImage: Equatable, Sendable, Codable {
    package var pid: Int32
    package var uid: UInt32
    package var gid: UInt32
    package init(pid: Int32, uid: UInt32, gid: UInt32) {
        self.pid = pid
        self.uid = uid
        self.gid = gid
    }
}

/// One message, or chunk of a stream, in a socket's receive queue; `sk-queues.img`.
package struct SocketPacketImage: Equatable, Sendable {
    /// File id of the receiving socket.
    package var receiver: UInt32
    package var bytes: [UInt8]
    /// File ids of passed descriptors (SCM_RIGHTS).
    package var rights: [UInt32] = []
    // CRIU has no fields for these; they are in our own `crplan.json`.
    /// SCM_CREDENTIALS, where the kernel noted them.
    package var credentials: SocketCredentialsImage?
    /// Name of the socket that a datagram came from, as in sun_path.
    package var sender: [UInt8] = []
    package init(receiver: UInt32, bytes: [UInt8]) {
        self.receiver = receiver
        self.bytes = bytes
    }
}
