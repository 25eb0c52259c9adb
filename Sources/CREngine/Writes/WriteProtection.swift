import CPlatform
import Glibc

/// A userfaultfd of a task in the asynchronous write-protect mode: the kernel notes which pages were written, and
/// nobody waits for anybody. See userfaultfd(2), UFFD_FEATURE_WP_ASYNC (Linux 6.7).
///
/// As long as the descriptor is open somewhere, memory that was registered with it is watched; with its last copy the
/// watching ends and the task goes on.
struct WriteProtection: ~Copyable {
    private static let asynchronous: UInt64 = 1 << 15
    private static let unpopulated: UInt64 = 1 << 13
    private static let registerWriteProtect: UInt64 = 2

    let fd: OwnedFD

    /// Takes over a descriptor that was set up before.
    init(ready fd: consuming OwnedFD) { self.fd = fd }

    /// Sets up a new descriptor. EINVAL where the kernel has no such mode.
    init(settingUp fd: consuming OwnedFD) throws(Errno) {
        var api = uffdio_api()
        api.api = 0xaa
        api.features = Self.asynchronous | Self.unpopulated
        let number = fd.rawValue
        try withUnsafeMutablePointer(to: &api) { (pointer) throws(Errno) -> Void in
            try systemCall(
                CP_SYS_ioctl, Int(number), Int(UInt32(truncatingIfNeeded: CP_UFFDIO_API)),
                Int(bitPattern: pointer))
        }
        self.fd = fd
    }

    /// Begins to watch a range of whole areas. EBUSY where another descriptor watches it.
    borrowing func register(_ range: PageScan.Range) throws(Errno) {
        var arguments = uffdio_register()
        arguments.range.start = range.start
        arguments.range.len = range.end - range.start
        arguments.mode = Self.registerWriteProtect
        let number = fd.rawValue
        try withUnsafeMutablePointer(to: &arguments) { (pointer) throws(Errno) -> Void in
            try systemCall(
                CP_SYS_ioctl, Int(number), Int(UInt32(truncatingIfNeeded: CP_UFFDIO_REGISTER)),
                Int(bitPattern: pointer))
        }
    }
}
