/// One `lock:` line: a lock that was taken through this open file or by this process on its file.
package struct LockRow: Equatable, Sendable {
    package enum Kind: String, Sendable {
        case flock = "FLOCK"
        case posix = "POSIX"
        case openFile = "OFDLCK"
        case lease = "LEASE"
        case delegation = "DELEG"
        case other = "?"
    }
    package var kind: Kind
    /// READ, WRITE, or for a lease READ, WRITE, UNLCK.
    package var access: String
    /// As the kernel names the taker; -1 for an open file lock, and a dead pid for an inherited flock.
    package var pid: Int32
    package var inode: UInt64
    /// Bytes.
    package var start: UInt64
    /// Nil: to the end of the file.
    package var end: UInt64?
    /// MANDATORY, ADVISORY, ACTIVE, BREAKING, BREAKER.
    package var mode: String
    /// Of the file system.
    package var device = DeviceNumber(0, 0)
    /// Only asked for: somebody else has it.
    package var isWaiting = false

    /// `1: POSIX  ADVISORY  WRITE 18728 fe:00:16221673 0 EOF`, after the number `->` for one that waits;
    /// fs/locks.c, lock_get_status. Nil where it is something else.
    package init?(_ line: ArraySlice<UInt8>) {
        var words = line.words
        isWaiting = words.count > 1 && words[1].text == "->"
        if isWaiting { words.remove(at: 1) }
        guard words.count >= 8, let pid = words[4].signedDecimal, let start = words[6].decimal else {
            return nil
        }
        let place = words[5].text.split(separator: ":")
        guard place.count == 3, let major = UInt32(place[0], radix: 16),
            let minor = UInt32(place[1], radix: 16), let inode = UInt64(place[2])
        else { return nil }
        kind = Kind(rawValue: words[1].text) ?? .other
        access = words[3].text
        self.pid = Int32(truncatingIfNeeded: pid)
        self.inode = inode
        self.start = start
        end = words[7].decimal
        mode = words[2].text
        device = DeviceNumber(major, minor)
    }
}

/// What /proc/PID/fdinfo/FD says. See proc_pid_fdinfo(5).
package struct DescriptorInfo: Equatable, Sendable {
    /// Bytes.
    package var position: UInt64 = 0
    /// Open flags with O_CLOEXEC, which belongs to the descriptor.
    package var flags: UInt32 = 0
    package var mount: Int32 = 0
    package var inode: UInt64 = 0
    package var locks: [LockRow] = []
    /// All other lines as they are: `eventfd-count: 3`, `tfd: …`, `inotify wd:…`, `Pid:`, `clockid: 1`.
    package var details: [String] = []

    package static let closeOnExec: UInt32 = 0o2000000

    package init() {}

    /// Understands the whole file. Throws where position or flags are malformed or missing.
    package init(parsing bytes: [UInt8]) throws(ProcFormatError) {
        var hasFlags = false
        for line in bytes.lines {
            guard let (key, rest) = line.cut(at: UInt8(ascii: ":")) else {
                details.append(line.text)
                continue
            }
            let value = rest.trimmed
            func bad() -> ProcFormatError { ProcFormatError(file: "fdinfo/FD", detail: line.text) }
            switch key.text {
            case "pos":
                guard let number = value.signedDecimal else { throw bad() }
                position = UInt64(bitPattern: number)
            case "flags":
                guard let number = value.octal else { throw bad() }
                flags = UInt32(truncatingIfNeeded: number)
                hasFlags = true
            case "mnt_id":
                guard let number = value.signedDecimal else { throw bad() }
                mount = Int32(truncatingIfNeeded: number)
            case "ino":
                guard let number = value.decimal else { throw bad() }
                inode = number
            case "lock":
                guard let row = LockRow(value) else { throw bad() }
                locks.append(row)
            default: details.append(line.text)
            }
        }
        if !hasFlags { throw ProcFormatError(file: "fdinfo/FD", detail: "no flags line") }
    }

    /// The value of a detail line by its key, as text.
    package func detail(_ key: String) -> String? {
        for line in details {
            let bytes = Array(line.utf8)[...]
            guard let (name, value) = bytes.cut(at: UInt8(ascii: ":")), name.trimmed.text == key else {
                continue
            }
            return value.trimmed.text
        }
        return nil
    }
}
