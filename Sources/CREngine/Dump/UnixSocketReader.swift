import CPlatform
import Glibc

/// Reads the state of a unix socket of a frozen process, through a duplicate of it.
enum UnixSocketReader {
    /// `file` is in the table of the process that `pidfd` names.
    static func read(
        _ file: OpenFile, _ facts: SocketFacts, pidfd: Int32, descriptor: Int32
    ) throws(Errno) -> UnixSocketImage {
        let socket = OwnedFD(
            taking: Int32(try systemCall(CP_SYS_pidfd_getfd, Int(pidfd), Int(descriptor), 0)))
        var image = UnixSocketImage(
            inode: UInt32(truncatingIfNeeded: file.inode), type: facts.type,
            state: UInt32(facts.state?.rawValue ?? 7),
            flags: file.info.flags & ~DescriptorInfo.closeOnExec)
        var waiting: Int32 = 0
        try withUnsafeMutablePointer(to: &waiting) { (pointer) throws(Errno) -> Void in
            try systemCall(CP_SYS_ioctl, Int(socket.rawValue), Int(FIONREAD), Int(bitPattern: pointer))
        }
        if waiting != 0 { throw .notSupported }
        image.peer = UInt32(truncatingIfNeeded: facts.peerInode)
        image.options = try SocketOptionsReader.read(socket.rawValue, credentials: true)
        return image
    }
}
