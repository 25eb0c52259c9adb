/// Objects of System V IPC that a tree uses.
package struct SystemVFacts: Equatable, Sendable {
    /// A segment that the tree maps, or that it made and nobody maps.
    package struct Segment: Equatable, Sendable {
        package var row: SharedSegmentRow
        /// Mappings of it in the tree.
        package var attachments: UInt64
        /// A process of the tree that maps it, and where; nil where none does.
        package var place: (pid: PID, start: UInt64, end: UInt64)?
        /// Processes outside the tree that map it, as `comm[pid]`.
        package var outsiders: [String] = []

        package static func == (a: Self, b: Self) -> Bool {
            a.row == b.row && a.attachments == b.attachments && a.place?.pid == b.place?.pid
                && a.place?.start == b.place?.start && a.outsiders == b.outsiders
        }
        /// Whether somebody maps it who is not in the tree.
        package var isShared: Bool { row.attachments != attachments || !outsiders.isEmpty }
    }
    package struct Semaphores: Equatable, Sendable {
        package var row: SemaphoreSetRow
        /// Who changed each last; 0 for nobody.
        package var lastUsers: [PID]
        /// Processes outside the tree that live and were such, as `comm[pid]`.
        package var outsiders: [String] = []
    }
    package struct Queue: Equatable, Sendable {
        package var row: MessageQueueRow
        package var outsiders: [String] = []
    }
    package var segments: [Segment] = []
    package var semaphores: [Semaphores] = []
    package var queues: [Queue] = []
    /// Processes that have a list of adjustments at exit (SEM_UNDO), which may be empty. Looked for only where the
    /// namespace has semaphores.
    package var undoLists: Set<PID> = []
    /// Threads that have another list than their process, and processes that have one with a process before them.
    package var oddUndoLists: [TID] = []
    /// All semaphore sets of the namespace, where a process has such a list.
    package var allSemaphores: [SemaphoreSetRow] = []
    /// POSIX message queues of an ipc namespace of the tree's own, whoever has them open.
    package var posixQueues: [PosixQueueFacts] = []
    /// Of the file system that those queues are the files of; nil where the tree has no such namespace.
    package var posixQueueDevice: DeviceNumber?
    package init() {}

    /// Semaphore sets that a process may have adjustments of.
    ///
    /// Those of others it can only have changed by a privilege, and whoever used one is marked (PF_SUPERPRIV). To ask for
    /// such a set would use one.
    package func adjustable(by task: TaskFacts) -> [SemaphoreSetRow] {
        guard undoLists.contains(task.pid) else { return [] }
        let superPrivileges: UInt32 = 0x100
        if task.threads.contains(where: { $0.flags & superPrivileges != 0 }) { return allSemaphores }
        return allSemaphores.filter { set in
            set.object.mayBeChanged(by: task.status)
                || semaphores.contains { $0.row.object.id == set.object.id }
        }
    }

    package var isEmpty: Bool { segments.isEmpty && semaphores.isEmpty && queues.isEmpty }
}

extension SystemVObjectRow {
    /// Whether a task may change the object without a privilege. See ipcperms in ipc/util.c.
    fileprivate func mayBeChanged(by task: TaskStatus) -> Bool {
        let ids = [task.groups.effective] + task.supplementaryGroups
        let shift =
            [uid, cuid].contains(task.users.effective) ? 6 : ids.contains(gid) || ids.contains(cgid) ? 3 : 0
        let write: UInt32 = 2
        return mode >> UInt32(shift) & write != 0
    }
}

extension Snapshot {
    /// The id of the segment that an area maps: the inode number of its file, which for the first segment is 0.
    package func segment(of area: VMA) -> Int32 {
        area.file.map { Int32(truncatingIfNeeded: self[$0].inode) } ?? 0
    }
}
