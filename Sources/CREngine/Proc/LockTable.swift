import Glibc

/// /proc/locks: all locks of the host, and who waits for one. See proc_locks(5).
package enum LockTable {
    /// Locks of other pid namespaces are not shown.
    package static func parse(_ bytes: [UInt8]) -> [LockRow] { bytes.lines.compactMap { LockRow($0) } }

    package static func read() throws(Errno) -> [LockRow] {
        parse(try OwnedFD.open("/proc/locks", O_RDONLY).readToEnd())
    }
}

extension LockRow {
    /// Whether both cannot be held at once by different holders. Leases are apart.
    package func excludes(_ other: LockRow) -> Bool {
        func isRange(_ kind: Kind) -> Bool { kind == .posix || kind == .openFile }
        guard device == other.device, inode == other.inode,
            kind == .flock && other.kind == .flock || isRange(kind) && isRange(other.kind)
        else { return false }
        if access != "WRITE" && other.access != "WRITE" { return false }
        return start <= other.end ?? .max && other.start <= end ?? .max
    }
}
