/// Who outside the tree holds the same pipes, the far ends of the tree's unix sockets, or its shared memory.
///
/// One pass over the links of all descriptors of all other processes, and only if the tree has such objects.
enum OutsideScan {
    /// By inode. A process that cannot be looked at, or ends meanwhile, holds nothing.
    static func holders(of snapshot: Snapshot) -> [UInt64: [OutsideHolder]] {
        var wanted: [String: UInt64] = [:]
        for file in snapshot.openFiles {
            if file.facts?.type == .fifo {
                wanted[file.link] = file.inode
            } else if case .master(let pair) = Terminal.recognise(file, in: snapshot) {
                wanted["\(pair.directory)/\(pair.index)"] = OutsideHolder.key(ofPair: pair.index)
            } else if let socket = snapshot.sockets[file.inode], file.link.hasPrefix("socket:") {
                wanted[file.link] = file.inode
                if socket.peerInode != 0 { wanted["socket:[\(socket.peerInode)]"] = socket.peerInode }
            }
        }
        let memory = sharedMemory(of: snapshot)
        if wanted.isEmpty && memory.isEmpty { return [:] }
        let inside = Set(snapshot.tasks.map(\.pid.rawValue))
        var found: [UInt64: [OutsideHolder]] = [:]
        guard let proc = try? ProcDirectory.open("/proc"), let pids = try? proc.numbers(".") else {
            return [:]
        }
        for pid in pids where !inside.contains(pid) {
            if !snapshot.isFrozen && descends(pid, from: inside) { continue }
            guard let process = try? proc.directory("\(pid)"), let fds = try? process.numbers("fd") else {
                continue
            }
            if !memory.isEmpty {
                for inode in mapped(process, memory) {
                    found[inode, default: []].append(
                        OutsideHolder(
                            pid: PID(pid), comm: comm(process), fd: -1, canRead: true, canWrite: true))
                }
            }
            for fd in fds {
                guard let link = try? process.link("fd/\(fd)") else { continue }
                if let inode = wanted[link] {
                    found[inode, default: []].append(holder(process, pid, fd))
                } else if link.hasPrefix("/memfd:") || link.hasPrefix("/anon_hugepage"),
                    let facts = try? process.facts("fd/\(fd)"),
                    memory.contains(MemoryFile(device: facts.device, inode: facts.inode))
                {
                    found[facts.inode, default: []].append(holder(process, pid, fd))
                }
            }
        }
        return found
    }

    /// Whether a process was born in a running tree after the tree was looked at: it is not outside.
    static func descends(_ pid: Int32, from inside: Set<Int32>) -> Bool {
        var next = pid
        for _ in 0..<1000 where next > 1 {
            if inside.contains(next) { return true }
            guard let stat = TaskList.stat(PID(next), TID(next)) else { return false }
            next = stat.parent.rawValue
        }
        return false
    }

    private static func holder(_ process: borrowing ProcDirectory, _ pid: Int32, _ fd: Int32) -> OutsideHolder
    {
        let info = (try? process.read("fdinfo/\(fd)")).flatMap { try? DescriptorInfo(parsing: $0) }
        let access = (info?.flags ?? 2) & 3
        return OutsideHolder(
            pid: PID(pid), comm: comm(process), fd: fd, canRead: access != 1, canWrite: access != 0)
    }

    static func comm(_ process: borrowing ProcDirectory) -> String {
        (try? process.read("comm")).map { String(decoding: $0.dropLast(), as: UTF8.self) } ?? ""
    }

    /// On the kernel's own tmpfs, or on its hugetlbfs for one size of pages.
    private struct MemoryFile: Hashable {
        var device: DeviceNumber
        var inode: UInt64
    }

    /// Memory files and shared anonymous memory of the tree.
    private static func sharedMemory(of snapshot: Snapshot) -> Set<MemoryFile> {
        var found: Set<MemoryFile> = []
        for task in snapshot.tasks {
            for area in task.areas where area.kind == .sharedAnonymous || area.kind == .memfd {
                guard let file = area.file.map({ snapshot[$0] }) else { continue }
                found.insert(MemoryFile(device: file.device, inode: file.inode))
            }
        }
        for file in snapshot.openFiles where Memfd.recognise(file, in: snapshot)?.isCarried == true {
            guard let facts = file.facts else { continue }
            found.insert(MemoryFile(device: facts.device, inode: facts.inode))
        }
        return found
    }

    /// Inodes of those that a process maps.
    private static func mapped(
        _ process: borrowing ProcDirectory, _ files: Set<MemoryFile>
    ) -> Set<UInt64> {
        guard let bytes = try? process.read("maps"), let rows = try? AreaList.parse(bytes) else { return [] }
        return Set(
            rows.filter { files.contains(MemoryFile(device: $0.device, inode: $0.inode)) }.map(\.inode))
    }
}
