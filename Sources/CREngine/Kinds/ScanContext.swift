package import PolicyModel

/// What the scan rules may look at.
package struct ScanContext: Sendable {
    package let snapshot: Snapshot
    package let allow: Allowances
    /// Who has descriptors of an open file: pid and number, in the order of the tasks.
    package let holders: [OpenFileID: [(pid: PID, fd: Int32)]]
    /// Inodes of all sockets of the tree.
    package let socketInodes: Set<UInt64>

    /// Connections of TCP that an end of is in the tree.
    package let connections: Set<ConnectionLock.Ends>

    package init(snapshot: Snapshot, allow: Allowances) {
        self.snapshot = snapshot
        connections = snapshot.connections
        self.allow = allow
        var holders: [OpenFileID: [(pid: PID, fd: Int32)]] = [:]
        for task in snapshot.tasks {
            for descriptor in task.descriptors {
                holders[descriptor.file, default: []].append((task.pid, descriptor.fd))
            }
        }
        self.holders = holders
        socketInodes = Set(snapshot.openFiles.filter { $0.link.hasPrefix("socket:") }.map(\.inode))
    }

    /// The place of an open file: its first descriptor. `peer` names the other end.
    package func object(_ file: OpenFile, peer: String? = nil) -> FindingObject {
        FindingObject(
            pid: file.pid, fd: file.fd, inode: file.inode,
            path: file.reach == .notAPath ? nil : file.link, peer: peer)
    }

    /// The descriptor by which an open file is a standard stream of a task; nil where it is none.
    package func standardStream(_ file: OpenFile) -> (pid: PID, fd: Int32)? {
        holders[file.id]?.first { $0.fd <= 2 }
    }

    /// Processes outside the tree that hold the object of this inode, as `comm[pid]`: the first few and how many more.
    package func outsiders(_ inode: UInt64) -> [String] {
        var seen: Set<PID> = []
        let all = (snapshot.outsideHolders[inode] ?? []).filter { seen.insert($0.pid).inserted }.map {
            "\($0.comm)[\($0.pid)]"
        }
        return all.count <= 4 ? all : all.prefix(3) + ["\(all.count - 3) more"]
    }

    /// The finding of something that leads out of the tree: as a standard stream, or as what it is.
    package func leadsOut(
        _ code: FindingCode, _ file: OpenFile, _ what: String, peer: String?
    ) -> Finding {
        guard let stream = standardStream(file) else {
            return Finding(code, object(file, peer: peer), what)
        }
        let names = ["stdin", "stdout", "stderr"]
        var place = object(file, peer: peer)
        place.pid = stream.pid
        place.fd = stream.fd
        return Finding(.stdioOutside, place, "\(names[Int(max(0, stream.fd))]) on \(what)")
    }
}
