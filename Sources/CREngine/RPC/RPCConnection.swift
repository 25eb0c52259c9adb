import CPlatform
import Glibc

/// A SEQPACKET socket to a client of CRIU's RPC: one message a packet, no more framing. One thread uses it.
package final class RPCConnection {
    private let fd: Int32
    /// Whoever made the socket pair, or connected: in whose /proc directory the descriptors of a request are.
    package let peer: PID
    /// No request is longer; the kernel takes no packet above the send buffer, about 200 KiB unless somebody raised it.
    private static let longest = 1 << 24

    /// Takes a descriptor that this process was started with. See SO_PEERCRED in unix(7).
    package init(_ fd: Int32) throws(Errno) {
        var credentials = ucred()
        var length = socklen_t(MemoryLayout<ucred>.size)
        guard getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0 else {
            throw Errno(rawValue: errno)
        }
        // What we start has no business with it.
        _ = fcntl(fd, F_SETFD, FD_CLOEXEC)
        self.fd = fd
        peer = PID(credentials.pid)
    }

    deinit { close(fd) }

    /// The next packet; nil when the client has closed its end. Throws EINTR when this process was told to end.
    package func receive() throws(Errno) -> [UInt8]? {
        var watched = pollfd(fd: fd, events: Int16(POLLIN), revents: 0)
        while poll(&watched, 1, 100) <= 0 {
            if CalledProgram.Stop.cancellation.isCancelled { throw .interrupted }
        }
        let peekForLength = 2 | 0x20  // MSG_PEEK | MSG_TRUNC
        let length = try systemCall(CP_SYS_recvfrom, Int(fd), 0, 0, peekForLength)
        if length == 0 { return nil }
        guard length <= Self.longest else { throw Errno(rawValue: EMSGSIZE) }
        var bytes = [UInt8](repeating: 0, count: length)
        let count = try bytes.withUnsafeMutableBufferPointer { (buffer) throws(Errno) -> Int in
            try systemCall(CP_SYS_recvfrom, Int(fd), Int(bitPattern: buffer.baseAddress), buffer.count)
        }
        return Array(bytes.prefix(count))
    }

    /// Sends a message, with a descriptor where one goes with it.
    package func send(_ response: RPCResponse, lending descriptor: Int32? = nil) throws(Errno) {
        var message = SocketMessage(bytes: response.packed())
        message.rights = descriptor.map { [$0] } ?? []
        try message.send(through: fd)
    }
}
