/// One member of an epoll set.
package struct EpollTarget: Equatable, Sendable {
    package var row: EpollRow
    /// What is watched; nil where no task of the tree has it open.
    package var file: OpenFileID?
    /// A number in the table of the set's holder that leads to the file: the one under which it was added, if that
    /// still does. Nil where none does.
    package var number: Int32?
    package init(row: EpollRow, file: OpenFileID?, number: Int32?) {
        self.row = row
        self.file = file
        self.number = number
    }
}

/// Which open files epoll sets watch.
///
/// The kernel shows a number and an inode. The number may have been closed or reused since, and all objects of
/// anon_inode share one inode, so kcmp(2) has the last word.
enum EpollScan {
    /// By epoll set, members in the kernel's order.
    static func targets(of snapshot: Snapshot) -> [OpenFileID: [EpollTarget]] {
        let sets = snapshot.openFiles.filter { Epoll.recognise($0, in: snapshot) != nil }
        if sets.isEmpty { return [:] }
        let byInode = Dictionary(grouping: snapshot.openFiles, by: \.inode)
        var found: [OpenFileID: [EpollTarget]] = [:]
        for set in sets {
            guard let holder = snapshot.task(set.pid) else { continue }
            let table = Dictionary(
                holder.descriptors.map { ($0.fd, $0.file) }, uniquingKeysWith: { first, _ in first })
            var met: [Int32: UInt32] = [:]
            var targets: [EpollTarget] = []
            for line in set.info.details {
                guard let row = EpollRow(line) else { continue }
                let slot = Kcmp.EpollSlot(set: set.fd, number: row.fd, place: met[row.fd, default: 0])
                met[row.fd, default: 0] += 1
                if let id = table[row.fd], isSame(snapshot[id], row.fd, row, holder.pid, slot) {
                    targets.append(EpollTarget(row: row, file: id, number: row.fd))
                    continue
                }
                let other = (byInode[row.inode] ?? []).first { file in
                    (try? Kcmp.compare(file.pid, file.fd, with: slot, of: holder.pid)) == .same
                }
                if other == nil && !snapshot.isFrozen && hasMoved(row, slot, holder.pid) { continue }
                let number = holder.descriptors.first { $0.file == other?.id }?.fd
                targets.append(EpollTarget(row: row, file: other?.id, number: number))
            }
            found[set.id] = targets
        }
        return found
    }

    private static func isSame(
        _ file: OpenFile, _ fd: Int32, _ row: EpollRow, _ holder: PID, _ slot: Kcmp.EpollSlot
    ) -> Bool {
        guard file.inode == row.inode else { return false }
        // A socket has one open file and an inode of its own.
        if file.link.hasPrefix("socket:[") { return true }
        return (try? Kcmp.compare(holder, fd, with: slot, of: holder)) == .same
    }

    /// Whether a running task has opened the file, or taken it out of the set, after it was looked at.
    private static func hasMoved(_ row: EpollRow, _ slot: Kcmp.EpollSlot, _ holder: PID) -> Bool {
        if (try? Kcmp.compare(holder, row.fd, with: slot, of: holder)) == .same { return true }
        guard let bytes = try? ProcDirectory.open("/proc/\(holder)").read("fdinfo/\(slot.set)"),
            let info = try? DescriptorInfo(parsing: bytes)
        else { return true }
        return !info.details.contains { EpollRow($0) == row }
    }
}
