import CPlatform
import Glibc

/// What a socket of TCP that is closed by now has been.
struct TCPPast {
    let fd: Int32

    /// Whether it has ever exchanged a segment; sock_diag(7) lists no socket in this state.
    func hadConnection() throws(Errno) -> Bool {
        // tcpi_segs_out and tcpi_segs_in
        let info = try SocketCalls.option(fd, SocketOption.tcpLevel, TCPOption.info, size: 144)
        return TCPOption.word(info, 136) != 0 || TCPOption.word(info, 140) != 0
    }

    /// Whether bytes or an error wait for the program, neither of which a new socket can be given. Takes nothing.
    func holdsSomething() throws(Errno) -> Bool {
        if try events() & Int16(POLLERR) != 0 { return true }
        var count: Int32 = 0
        try withUnsafeMutablePointer(to: &count) { (pointer) throws(Errno) -> Void in
            try systemCall(CP_SYS_ioctl, Int(fd), Int(FIONREAD), Int(bitPattern: pointer))
        }
        return count > 0
    }

    /// Whether reading gives an end. Nothing tells the same of writing; a connection that has ended has both.
    func isShutDown() throws(Errno) -> Bool { try events() & Int16(POLLRDHUP) != 0 }

    private func events() throws(Errno) -> Int16 {
        var entry = pollfd(fd: fd, events: Int16(POLLRDHUP), revents: 0)
        try withUnsafeMutablePointer(to: &entry) { (pointer) throws(Errno) -> Void in
            try systemCall(CP_SYS_poll, Int(bitPattern: pointer), 1, 0)
        }
        return entry.revents
    }
}
