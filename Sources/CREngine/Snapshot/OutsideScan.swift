/// Who outside the tree holds the same pipes, or the far ends of the tree's unix sockets.
///
/// One pass over the links of all descriptors of all other processes, and only if the tree has such objects.
enum OutsideScan {
    /// By inode. A process that cannot be looked at, or ends meanwhile, holds nothing.
    static func holders(of snapshot: Snapshot) -> [UInt64: [OutsideHolder]] {
        var wanted: [String: UInt64] = [:]
        for file in snapshot.openFiles {
            if file.facts?.type == .fifo {
                wanted[file.link] = file.inode
            } else if let socket = snapshot.sockets[file.inode], file.link.hasPrefix("socket:") {
                wanted[file.link] = file.inode
                if socket.peerInode != 0 { wanted["socket:[\(socket.peerInode)]"] = socket.peerInode }
            }
        }
        if wanted.isEmpty { return [:] }
        let inside = Set(snapshot.tasks.map(\.pid.rawValue))
        var found: [UInt64: [OutsideHolder]] = [:]
        guard let proc = try? ProcDirectory.open("/proc"), let pids = try? proc.numbers(".") else {
            return [:]
        }
        for pid in pids where !inside.contains(pid) {
            guard let process = try? proc.directory("\(pid)"), let fds = try? process.numbers("fd") else {
                continue
            }
            for fd in fds {
                guard let link = try? process.link("fd/\(fd)"), let inode = wanted[link] else { continue }
                found[inode, default: []].append(holder(process, pid, fd))
            }
        }
        return found
    }

    private static func holder(_ process: borrowing ProcDirectory, _ pid: Int32, _ fd: Int32) -> OutsideHolder
    {
        let comm = (try? process.read("comm")).map { String(decoding: $0.dropLast(), as: UTF8.self) } ?? ""
        let info = (try? process.read("fdinfo/\(fd)")).flatMap { try? DescriptorInfo(parsing: $0) }
        let access = (info?.flags ?? 2) & 3
        return OutsideHolder(
            pid: PID(pid), comm: comm, fd: fd, canRead: access != 1, canWrite: access != 0)
    }
}
