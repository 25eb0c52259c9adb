import CPlatform
import Glibc

/// The table of our own descriptors.
enum DescriptorTable {
    /// Makes it large enough for so many at once.
    ///
    /// It grows by doubling, and in a process of several threads the kernel waits for all CPUs each time
    /// (expand_fdtable() of fs/file.c), some milliseconds. So this is for the time before the second thread. Where the
    /// limit of descriptors is lower, nothing happens: whoever opens the one that is too many says so.
    static func makeRoom(for count: Int, copying fd: borrowing OwnedFD) {
        let copy = cp_syscall(CP_SYS_fcntl, Int(fd.rawValue), Int(F_DUPFD_CLOEXEC), count, 0, 0, 0)
        if copy >= 0 { _ = close(Int32(copy)) }
    }
}
