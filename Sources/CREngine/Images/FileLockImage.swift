/// One row of `filelocks.img`.
package struct FileLockImage: Equatable, Sendable {
    package enum Kind: UInt32, Sendable {
        case posix = 1
        case flock = 2
        /// An open file description lock, F_OFD_SETLK.
        case openFile = 4
        case lease = 8
    }
    package var kind: Kind
    /// F_RDLCK 0, F_WRLCK 1, of flock(2) too; 4 more for a lease that is being broken.
    package var type: UInt32
    /// Who holds it; of locks that belong to an open file, one of those who have it open.
    package var pid: PID
    package var fd: Int32
    /// Bytes.
    package var start: Int64
    /// Bytes; 0 is to the end of the file.
    package var length: Int64
    package init(kind: Kind, type: UInt32, pid: PID, fd: Int32, start: Int64, length: Int64) {
        self.kind = kind
        self.type = type
        self.pid = pid
        self.fd = fd
        self.start = start
        self.length = length
    }
}

extension FileLockImage {
    /// Nil for what no program can ask for.
    init?(_ lock: HeldLock) {
        let kind: Kind
        switch lock.row.kind {
        case .flock: kind = .flock
        case .posix: kind = .posix
        case .openFile: kind = .openFile
        case .lease: kind = .lease
        case .delegation, .other: return nil
        }
        let start = Int64(clamping: lock.row.start)
        self.init(
            kind: kind, type: lock.row.access == "WRITE" ? 1 : 0, pid: lock.pid, fd: lock.fd, start: start,
            length: lock.row.end.map { Int64(clamping: $0) - start + 1 } ?? 0)
    }
}
