import CPlatform
import Glibc

/// An error number of the kernel.
///
/// A struct, not an enum, so that a number that this build does not know survives to the report. See errno(3).
package struct Errno: Error, RawRepresentable, Hashable, Sendable {
    package let rawValue: Int32
    package init(rawValue: Int32) { self.rawValue = rawValue }

    package static let perm = Errno(rawValue: EPERM)
    package static let noEntry = Errno(rawValue: ENOENT)
    package static let noProcess = Errno(rawValue: ESRCH)
    package static let interrupted = Errno(rawValue: EINTR)
    package static let io = Errno(rawValue: EIO)
    package static let badDescriptor = Errno(rawValue: EBADF)
    package static let noChild = Errno(rawValue: ECHILD)
    package static let again = Errno(rawValue: EAGAIN)
    package static let noMemory = Errno(rawValue: ENOMEM)
    package static let access = Errno(rawValue: EACCES)
    package static let fault = Errno(rawValue: EFAULT)
    package static let exists = Errno(rawValue: EEXIST)
    package static let notDirectory = Errno(rawValue: ENOTDIR)
    package static let invalid = Errno(rawValue: EINVAL)
    package static let noSpace = Errno(rawValue: ENOSPC)
    package static let brokenPipe = Errno(rawValue: EPIPE)
    package static let noSystemCall = Errno(rawValue: ENOSYS)
    package static let busy = Errno(rawValue: EBUSY)
    package static let notSupported = Errno(rawValue: EOPNOTSUPP)
    package static let timedOut = Errno(rawValue: ETIMEDOUT)
}

extension Errno: CustomStringConvertible {
    /// Text of strerror(3) with the symbolic name, as in `No such file or directory (ENOENT)`.
    package var description: String {
        let text = strerror(rawValue).map { String(cString: $0) } ?? "error \(rawValue)"
        guard let name = strerrorname_np(rawValue) else { return text }
        return "\(text) (\(String(cString: name)))"
    }
}
