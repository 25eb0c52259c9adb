/// One lock or lease that the tree holds.
package struct HeldLock: Equatable, Sendable {
    package var row: LockRow
    /// Who holds it; of what belongs to an open file, who took it if that has it still, else the first who has it.
    package var pid: PID
    package var fd: Int32
    package var file: OpenFileID
    /// What processes outside the tree have to do with the lock, as `waited for by cat[17]`.
    package var outsiders: [String] = []
    package init(row: LockRow, pid: PID, fd: Int32, file: OpenFileID) {
        self.row = row
        self.pid = pid
        self.fd = fd
        self.file = file
    }
}

/// Which locks a tree holds.
///
/// fdinfo alone proves that: /proc/locks gives -1 for the holder of an open file description lock and a dead process for
/// a lock that was inherited. /proc/locks is only read for what others have on the same files.
enum LockScan {
    /// In the order of tasks and descriptors.
    static func locks(of snapshot: Snapshot) -> [HeldLock] {
        var found = held(snapshot)
        if found.isEmpty { return [] }
        lookOutside(&found, snapshot)
        return found
    }

    private static func held(_ snapshot: Snapshot) -> [HeldLock] {
        struct Key: Hashable {
            var owner: PID?
            var file: OpenFileID?
            var kind: LockRow.Kind
            var device: DeviceNumber
            var inode: UInt64
            var start: UInt64
            var end: UInt64?
        }
        var places: [Key: Int] = [:]
        var found: [HeldLock] = []
        for task in snapshot.tasks {
            for descriptor in task.descriptors {
                for row in descriptor.locks {
                    // A POSIX lock belongs to the table of descriptors, all others to the open file.
                    let isOfTable = row.kind == .posix
                    let key = Key(
                        owner: isOfTable ? task.sharing.files : nil, file: isOfTable ? nil : descriptor.file,
                        kind: row.kind, device: row.device, inode: row.inode, start: row.start, end: row.end)
                    let lock = HeldLock(row: row, pid: task.pid, fd: descriptor.fd, file: descriptor.file)
                    if let place = places[key] {
                        let taker = row.pid
                        if taker == task.pid.rawValue && found[place].pid.rawValue != taker {
                            found[place] = lock
                        }
                    } else {
                        places[key] = found.count
                        found.append(lock)
                    }
                }
            }
        }
        return found
    }

    private static func lookOutside(_ found: inout [HeldLock], _ snapshot: Snapshot) {
        let inside = Set(snapshot.tasks.map(\.pid.rawValue))
        var others = (try? LockTable.read()) ?? []
        // The tree's own, each as often as it is held.
        for lock in found {
            let own = others.firstIndex { row in
                !row.isWaiting && row.kind == lock.row.kind && row.device == lock.row.device
                    && row.inode == lock.row.inode && row.start == lock.row.start && row.end == lock.row.end
                    && row.pid == lock.row.pid
            }
            if let own { others.remove(at: own) }
        }
        let sharers = sharers(of: found, snapshot, inside)
        for place in found.indices {
            let lock = found[place].row
            for row in others where row.device == lock.device && row.inode == lock.inode {
                if inside.contains(row.pid) { continue }
                let verb = row.isWaiting ? "waited for" : "held"
                found[place].outsiders.append("\(verb) by \(name(row.pid))")
            }
            if lock.kind != .posix {
                found[place].outsiders += (sharers[found[place].file] ?? []).map {
                    "on the open file of \(name($0))"
                }
            }
        }
    }

    /// Processes outside that have an open file with a lock open too.
    private static func sharers(
        of locks: [HeldLock], _ snapshot: Snapshot, _ inside: Set<Int32>
    ) -> [OpenFileID: [Int32]] {
        var wanted: [String: [OpenFile]] = [:]
        for id in Set(locks.filter { $0.row.kind != .posix }.map(\.file)) {
            let file = snapshot[id]
            wanted[file.link, default: []].append(file)
            wanted[file.link + " (deleted)", default: []].append(file)
        }
        guard !wanted.isEmpty, let proc = try? ProcDirectory.open("/proc"), let pids = try? proc.numbers(".")
        else { return [:] }
        var found: [OpenFileID: [Int32]] = [:]
        for pid in pids where !inside.contains(pid) {
            guard let process = try? proc.directory("\(pid)"), let fds = try? process.numbers("fd") else {
                continue
            }
            for fd in fds {
                guard let link = try? process.link("fd/\(fd)"), let files = wanted[link] else { continue }
                for file in files
                where (try? Kcmp.compare(.file, file.pid, PID(pid), file.fd, fd)) == .same
                    && found[file.id]?.last != pid
                {
                    found[file.id, default: []].append(pid)
                }
            }
        }
        return found
    }

    private static func name(_ pid: Int32) -> String {
        if pid <= 0 { return "an open file elsewhere" }
        let comm = try? ProcDirectory.open("/proc/\(pid)").read("comm")
        return "\(comm.map { String(decoding: $0.dropLast(), as: UTF8.self) } ?? "?")[\(pid)]"
    }
}
