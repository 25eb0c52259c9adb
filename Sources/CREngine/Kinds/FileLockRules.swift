import PolicyModel

/// The rule for locks and leases that the tree holds on files of any kind.
enum FileLockRules {
    /// One finding a lock, and one more where somebody outside has to do with it and only `owned` locks are allowed.
    static func findings(in context: ScanContext) -> [Finding] {
        context.snapshot.locks.flatMap { findings($0, in: context) }
    }

    private static func findings(_ lock: HeldLock, in context: ScanContext) -> [Finding] {
        let file = context.snapshot[lock.file]
        var object = context.object(file)
        (object.pid, object.fd) = (lock.pid, lock.fd)
        let what = "\(lock.row.description) on \(file.link)"
        let code: FindingCode
        switch lock.row.kind {
        case .flock: code = .flock
        case .posix: code = .posixLock
        case .openFile: code = .openFileLock
        case .lease where lock.row.mode == "ACTIVE" && !file.isDeleted: code = .lease
        case .lease, .delegation, .other: return [Finding(.leaseUnsettled, object, what)]
        }
        if context.allow.fileLocks == .deny { return [Finding(code, object, what)] }
        let held = Finding(code, object, what, severity: .allowed)
        if lock.outsiders.isEmpty || context.allow.fileLocks == .any { return [held] }
        object.peer = lock.outsiders.joined(separator: ", ")
        return [
            held, Finding(.lockOutside, object, "\(what), also \(lock.outsiders.joined(separator: ", "))"),
        ]
    }
}

extension LockRow: CustomStringConvertible {
    /// `flock write lock`, `POSIX read lock of bytes 5-14`.
    package var description: String {
        let name =
            switch kind {
            case .flock: "flock"
            case .posix: "POSIX"
            case .openFile: "open file description"
            case .lease: "lease"
            case .delegation: "delegation"
            case .other: "unknown"
            }
        if kind == .lease || kind == .delegation {
            return "\(access.lowercased()) \(name), \(mode.lowercased())"
        }
        let range = end.map { " of bytes \(start)-\($0)" } ?? (start == 0 ? "" : " of bytes from \(start)")
        return "\(name) \(access.lowercased()) lock\(range)"
    }
}
