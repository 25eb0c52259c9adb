import CPlatform
import Glibc

/// Unread bytes of a pipe, copied without taking them out: tee(2) into a pipe of our own, then read there.
package enum PipeContents {
    /// `descriptor` is any end's number in process `pid`; a write end is opened anew for reading through /proc.
    ///
    /// Returns the bytes and the capacity (F_GETPIPE_SZ). Throws ENOTSUP where they are packets (O_DIRECT).
    package static func peek(pidfd: Int32, descriptor: Int32) throws(Errno) -> (
        bytes: [UInt8], capacity: UInt32
    ) {
        let end = OwnedFD(taking: Int32(try systemCall(CP_SYS_pidfd_getfd, Int(pidfd), Int(descriptor), 0)))
        let flags = try systemCall(CP_SYS_fcntl, Int(end.rawValue), Int(F_GETFL))
        let capacity = try systemCall(CP_SYS_fcntl, Int(end.rawValue), 1032)  // F_GETPIPE_SZ
        if flags & Int(O_ACCMODE) == Int(O_WRONLY) {
            let reader = try OwnedFD.open("/proc/self/fd/\(end.rawValue)", O_RDONLY | O_NONBLOCK)
            return (try copy(reader, capacity), UInt32(capacity))
        }
        return (try copy(end, capacity), UInt32(capacity))
    }

    private static func copy(_ source: borrowing OwnedFD, _ capacity: Int) throws(Errno) -> [UInt8] {
        var waiting: Int32 = 0
        try withUnsafeMutablePointer(to: &waiting) { (pointer) throws(Errno) -> Void in
            try systemCall(CP_SYS_ioctl, Int(source.rawValue), Int(FIONREAD), Int(bitPattern: pointer))
        }
        if waiting == 0 { return [] }
        var ends: (Int32, Int32) = (0, 0)
        try withUnsafeMutablePointer(to: &ends) { (pointer) throws(Errno) -> Void in
            try systemCall(CP_SYS_pipe2, Int(bitPattern: pointer), Int(O_CLOEXEC | O_NONBLOCK))
        }
        let reader = OwnedFD(taking: ends.0)
        let writer = OwnedFD(taking: ends.1)
        try systemCall(CP_SYS_fcntl, Int(writer.rawValue), 1031, capacity)  // F_SETPIPE_SZ
        let copied = try systemCall(
            CP_SYS_tee, Int(source.rawValue), Int(writer.rawValue), capacity, Int(SPLICE_F_NONBLOCK))
        // As many slots as the source has: fewer bytes would mean that some stayed behind.
        if copied != Int(waiting) { throw .io }
        _ = consume writer
        var bytes = [UInt8](repeating: 0, count: copied)
        let got = try bytes.withUnsafeMutableBufferPointer { (buffer) throws(Errno) -> Int in
            try reader.read(into: UnsafeMutableRawBufferPointer(buffer))
        }
        // A read stops at the end of a packet, even where the pipe no longer makes any.
        if got != copied { throw .notSupported }
        return bytes
    }
}
