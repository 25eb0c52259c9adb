import CPlatform
import Glibc

/// A process held by its identity: the number cannot come to mean another one. See pidfd_open(2).
package struct PidFD: ~Copyable, Sendable {
    package let pid: PID
    private let descriptor: OwnedFD

    /// Throws ESRCH where there is no such process.
    package static func open(_ pid: PID) throws(Errno) -> PidFD {
        let fd = try systemCall(CP_SYS_pidfd_open, Int(pid.rawValue), 0)
        return PidFD(pid: pid, descriptor: OwnedFD(taking: Int32(fd)))
    }

    private init(pid: PID, descriptor: consuming OwnedFD) {
        self.pid = pid
        self.descriptor = descriptor
    }

    /// Whether the process has ended; a zombie has.
    package borrowing func hasEnded() -> Bool {
        var request = pollfd(fd: descriptor.rawValue, events: Int16(POLLIN), revents: 0)
        return poll(&request, 1, 0) > 0
    }

    package var rawDescriptor: Int32 { descriptor.rawValue }

    /// Gives the descriptor up without closing it.
    package consuming func release() -> Int32 { descriptor.release() }
}
