import CPlatform
import Glibc

/// Takes the locks and leases of a tree again: by the tasks themselves, as the kernel notes who asks, and last, as
/// closing any other descriptor of a file drops a task's POSIX locks on it.
struct FileLockBuilder {
    let tree: TreeImage

    private static let setLock = 6
    private static let setOpenFileLock = 37
    private static let setLease = 1024
    private static let readLock: UInt32 = 0

    /// What stands in the way now: locks of others on the same files.
    func problems() -> [RestoreError] {
        if tree.fileLocks.isEmpty { return [] }
        let table: [LockRow]
        do throws(Errno) {
            table = try LockTable.read()
        } catch {
            return [RestoreError("/proc/locks", "cannot be read", errno: error)]
        }
        return tree.fileLocks.compactMap { lock in
            if lock.kind == .lease && lock.type > 2 {
                return RestoreError(
                    subject(lock), "was being given back at the dump, which cannot be restored")
            }
            guard let row = row(lock), let other = table.first(where: { !$0.isWaiting && $0.excludes(row) })
            else { return nil }
            return taken(lock, by: other)
        }
    }

    func take(_ processes: [StubProcess]) throws(RestoreError) {
        for lock in tree.fileLocks {
            guard let process = processes.first(where: { $0.pid == lock.pid }) else {
                throw RestoreError(subject(lock), "is held by task \(lock.pid), which does not live")
            }
            try take(lock, process.leader)
        }
    }

    private func take(_ lock: FileLockImage, _ thread: StubThread) throws(RestoreError) {
        let fd = Int(lock.fd)
        let result: Result<Int, Errno>
        switch lock.kind {
        case .flock:
            let operation = (lock.type == Self.readLock ? LOCK_SH : LOCK_EX) | LOCK_NB
            result = try thread.attempt("flock", CP_SYS_flock, fd, Int(operation))
        case .posix, .openFile:
            // struct flock: type and whence, 16 bits each and padded, start, length, pid.
            let description = (Int64(lock.type), lock.start, lock.length, Int64(0))
            result = try thread.attempt(
                "fcntl", CP_SYS_fcntl, fd, lock.kind == .posix ? Self.setLock : Self.setOpenFileLock,
                try thread.put(description))
        case .lease:
            result = try thread.attempt("fcntl", CP_SYS_fcntl, fd, Self.setLease, Int(lock.type))
        }
        guard case .failure(let errno) = result else { return }
        if errno == .again || errno == .access, let row = row(lock),
            let other = try? LockTable.read().first(where: { !$0.isWaiting && $0.excludes(row) })
        {
            throw taken(lock, by: other)
        }
        let others = lock.kind == .lease ? "; somebody else may have the file open" : ""
        throw RestoreError(subject(lock), "cannot be taken again" + others, errno: errno)
    }

    private func taken(_ lock: FileLockImage, by other: LockRow) -> RestoreError {
        let comm = try? ProcText.read("/proc/\(other.pid)/comm").prefix { $0 != "\n" }
        let who = other.pid > 0 ? "\(comm ?? "process")[\(other.pid)]" : "an open file of another process"
        return RestoreError(
            subject(lock), "\(who) has a \(other) on the file now", remedy: "wait for it, or end it")
    }

    private func subject(_ lock: FileLockImage) -> String {
        let name = path(lock) ?? "fd \(lock.fd)"
        return "\(name), \(description(lock)) of task \(lock.pid)"
    }

    private func description(_ lock: FileLockImage) -> String {
        let access = lock.type & 3 == Self.readLock ? "read" : "write"
        let name =
            switch lock.kind {
            case .flock: "flock \(access) lock"
            case .posix: "POSIX \(access) lock"
            case .openFile: "open file description \(access) lock"
            case .lease: "\(access) lease"
            }
        if lock.start == 0 && lock.length == 0 { return name }
        return lock.length == 0
            ? "\(name) of bytes from \(lock.start)"
            : "\(name) of bytes \(lock.start)-\(lock.start + (lock.length - 1))"
    }

    /// Nil for what has no path, or a deleted file, which nobody else can have locked.
    private func path(_ lock: FileLockImage) -> String? {
        let task = tree.tasks.first { $0.pid == lock.pid }
        guard let id = task?.descriptors.first(where: { $0.fd == lock.fd })?.file,
            case .regular(let file)? = tree.files.first(where: { $0.id == id })?.content,
            !tree.remaps.contains(where: { $0.file == id })
        else { return nil }
        return file.path
    }

    /// As /proc/locks would show it.
    private func row(_ lock: FileLockImage) -> LockRow? {
        guard let path = path(lock), lock.kind != .lease,
            let facts = try? FileFacts.of(path, followingLinks: true)
        else { return nil }
        let kind: LockRow.Kind =
            switch lock.kind {
            case .flock: .flock
            case .posix: .posix
            case .openFile: .openFile
            case .lease: .lease
            }
        return LockRow(
            kind: kind, access: lock.type == Self.readLock ? "READ" : "WRITE", inode: facts.inode,
            device: facts.device, start: UInt64(lock.start),
            end: lock.length == 0 ? nil : UInt64(lock.start) + UInt64(lock.length) - 1)
    }
}

extension LockRow {
    /// A lock that nobody holds yet, for comparison.
    init(
        kind: Kind, access: String, inode: UInt64, device: DeviceNumber, start: UInt64, end: UInt64?
    ) {
        self.kind = kind
        self.access = access
        pid = 0
        self.inode = inode
        self.start = start
        self.end = end
        mode = "ADVISORY"
        self.device = device
    }
}
