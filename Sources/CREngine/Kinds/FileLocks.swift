/// Locks and leases that were taken through an open file or by a process on its file.
enum FileLocks {
    /// One finding a lock. See `lock:` in proc_pid_fdinfo(5).
    static func findings(of file: OpenFile, in context: ScanContext) -> [Finding] {
        file.info.locks.map { lock in
            let code: FindingCode =
                switch lock.kind {
                case .flock: .flock
                case .posix: .posixLock
                case .openFile: .openFileLock
                case .lease, .delegation, .other: .lease
                }
            let range = lock.end.map { "\(lock.start)-\($0)" } ?? "\(lock.start)-end"
            return Finding(
                code, context.object(file), "\(lock.kind.rawValue) \(lock.access) \(range) on \(file.link)")
        }
    }
}
