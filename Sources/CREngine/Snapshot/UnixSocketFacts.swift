/// What sock_diag(7) tells of a unix socket and of no other; net/unix/diag.c.
package struct UnixSocketFacts: Equatable, Sendable {
    /// The file that a path is bound to: device in the kernel's encoding and the low 32 bits of the inode number.
    package struct BoundFile: Equatable, Sendable {
        package var device: UInt32
        package var inode: UInt32
        package init(device: UInt32, inode: UInt32) {
            self.device = device
            self.inode = inode
        }

        /// Whether it is this file, by what of its numbers the kernel tells.
        func names(_ file: FileFacts) -> Bool {
            inode == UInt32(truncatingIfNeeded: file.inode)
                && device == UInt32(truncatingIfNeeded: file.device.kernelEncoding)
        }
    }
    package var boundFile: BoundFile?
    /// Unread bytes; of datagrams, those of the first. Of a listening socket, connections that wait.
    package var receiveQueue: UInt32 = 0
    /// Bytes of memory of what was sent and not read by the peer. Of a listening socket, its backlog.
    package var sendQueue: UInt32 = 0
    /// 1 for reading, 2 for writing.
    package var shutdown: UInt8 = 0
    /// A connection was made; with `peerInode` 0 the other end was closed, or waits to be accepted.
    package var hasPeer = false
    /// Of a listening socket, inodes of the connecting ends that wait to be accepted; 0 for one that was closed.
    package var waiting: [UInt32] = []
    package init() {}
}
