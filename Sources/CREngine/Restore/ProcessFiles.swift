import CPlatform
import Glibc

/// Descriptors of processes: those of the tree by their numbers, ended ones by children of ours that end for it. And those of
/// the namespaces that processes of the tree are in.
final class ProcessFiles {
    /// Children that have ended and wait to be reaped, by the inode that tells ended processes apart.
    private var ended: [UInt32: Int32] = [:]
    /// Our numbers of the tree's processes and threads, by those of the image.
    var hosts: [Int32: Int32] = [:]
    /// What pidfd_open(2) takes: PIDFD_NONBLOCK and PIDFD_THREAD.
    private static let flags = UInt32(O_NONBLOCK | O_EXCL)

    deinit { closeAll() }

    func open(_ id: UInt32, _ image: ProcessFDImage) throws(RestoreError) -> OwnedFD {
        let target =
            image.target == -1 ? try endedProcess(image) : hosts[image.target] ?? image.target
        return try RestoreError.about("pidfd \(id)", "of process \(target) cannot be made again") {
            () throws(Errno) -> OwnedFD in
            OwnedFD(
                taking: Int32(
                    try systemCall(CP_SYS_pidfd_open, Int(target), Int(image.flags & Self.flags))))
        }
    }

    /// A descriptor of a namespace that some of the tasks are in.
    func open(
        _ id: UInt32, _ image: NamespaceFDImage, tasks: [TaskImage]
    ) throws(RestoreError) -> OwnedFD {
        let subject = "file \(id), a descriptor of \(image.kind.name) namespace \(image.namespace)"
        guard let member = tasks.first(where: { image.isOf($0) }), let pid = hosts[member.pid.rawValue] else {
            throw RestoreError(subject, "has no task in it")
        }
        return try RestoreError.about(subject, "cannot be opened") { () throws(Errno) in
            try OwnedFD.open("/proc/\(pid)/ns/\(image.kind.rawValue)", OpenFiles.openFlags(image.flags))
        }
    }

    /// From here on the ended processes are no processes any more.
    func closeAll() {
        let anyChild = 0x4000_0000
        for pid in ended.values { _ = cp_syscall(CP_SYS_wait4, Int(pid), 0, anyChild, 0, 0, 0) }
        ended = [:]
    }

    private func endedProcess(_ image: ProcessFDImage) throws(RestoreError) -> Int32 {
        if let known = ended[image.inode] { return known }
        let pid = cp_ended_process(Int32(bitPattern: image.endStatus ?? 0))
        guard pid > 0 else {
            throw RestoreError(
                "pidfd", "no process can be made to end in place of one that has ended",
                errno: Errno(rawValue: -pid))
        }
        ended[image.inode] = pid
        return pid
    }
}
