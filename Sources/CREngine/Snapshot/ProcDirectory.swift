import CPlatform
import Glibc

/// A directory of /proc held open: what is read below it is of the same task, even if its number is used again.
package struct ProcDirectory: ~Copyable {
    private let directory: OwnedFD

    private init(_ directory: consuming OwnedFD) { self.directory = directory }

    /// Throws ENOENT where the task is gone.
    package static func open(_ path: String) throws(Errno) -> ProcDirectory {
        ProcDirectory(try OwnedFD.open(path, O_PATH | O_DIRECTORY))
    }

    /// A directory below this one.
    package borrowing func directory(_ name: String) throws(Errno) -> ProcDirectory {
        ProcDirectory(try OwnedFD.openat(directory.rawValue, name, O_PATH | O_DIRECTORY))
    }

    /// The whole file. Throws ESRCH or ENOENT where the task is gone.
    package borrowing func read(_ name: String) throws(Errno) -> [UInt8] {
        try OwnedFD.openat(directory.rawValue, name, O_RDONLY).readToEnd()
    }

    /// The same of a file that is one record of the kernel's (single_open in its source, or plain bytes): its end needs
    /// no read of its own.
    package borrowing func readRecord(_ name: String) throws(Errno) -> [UInt8] {
        try OwnedFD.openat(directory.rawValue, name, O_RDONLY).readToEnd(inOneGo: true)
    }

    /// The file in pieces, without keeping it, until `body` answers false. Answers false itself where the file has more
    /// bytes than the limit; not much more was read then.
    package borrowing func read(
        _ name: String, limit: Int, _ body: (UnsafeRawBufferPointer) -> Bool
    ) throws(Errno) -> Bool {
        let file = try OwnedFD.openat(directory.rawValue, name, O_RDONLY)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)
        defer { buffer.deallocate() }
        var total = 0
        while total <= limit {
            let count = try file.read(into: buffer)
            if count == 0 { return true }
            total += count
            if !body(UnsafeRawBufferPointer(rebasing: buffer[..<count])) { return true }
        }
        return false
    }

    /// Where a link leads, as text.
    package borrowing func link(_ name: String) throws(Errno) -> String {
        let base = Int(directory.rawValue)
        let result = name.withCString { (path) -> Result<String, Errno> in
            withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 4096) { buffer -> Result<String, Errno> in
                do throws(Errno) {
                    let count = try systemCall(
                        CP_SYS_readlinkat, base, Int(bitPattern: path), Int(bitPattern: buffer.baseAddress),
                        buffer.count)
                    return .success(
                        String(
                            decoding: UnsafeMutableBufferPointer(rebasing: buffer[..<count]), as: UTF8.self))
                } catch {
                    return .failure(error)
                }
            }
        }
        return try result.get()
    }

    /// The number in brackets that a link such as `net:[4026531840]` ends with; nil where it has none.
    package borrowing func number(inLink name: StaticString) throws(Errno) -> UInt64? {
        let base = Int(directory.rawValue)
        let path = Int(bitPattern: name.utf8Start)
        let result = withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 64) {
            buffer -> Result<UInt64?, Errno> in
            do throws(Errno) {
                let count = try systemCall(
                    CP_SYS_readlinkat, base, path, Int(bitPattern: buffer.baseAddress), buffer.count)
                guard let open = buffer[..<count].firstIndex(of: UInt8(ascii: "[")) else {
                    return .success(nil)
                }
                var value: UInt64 = 0
                for byte in buffer[(open + 1)..<count] where (48...57).contains(byte) {
                    value = value &* 10 &+ UInt64(byte - 48)
                }
                return .success(value)
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// What a link leads to, without opening it.
    package borrowing func facts(_ name: String) throws(Errno) -> FileFacts {
        try FileFacts.of(name, below: directory.rawValue, followingLinks: true)
    }

    /// Names in a directory that are numbers, ascending.
    package borrowing func numbers(_ name: String) throws(Errno) -> [Int32] {
        let listing = try OwnedFD.openat(directory.rawValue, name, O_RDONLY | O_DIRECTORY)
        var found: [Int32] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 15)
        while true {
            let count = try buffer.withUnsafeMutableBufferPointer { (buffer) throws(Errno) -> Int in
                try systemCall(
                    CP_SYS_getdents64, Int(listing.rawValue), Int(bitPattern: buffer.baseAddress),
                    buffer.count)
            }
            // struct linux_dirent64: inode 8, offset 8, length 2, type 1, name.
            var place = 0
            while place + 19 < count {
                let length = Int(buffer[place + 16]) | Int(buffer[place + 17]) << 8
                let name = buffer[(place + 19)..<(place + length)].prefix { $0 != 0 }
                if let number = name.decimal { found.append(Int32(truncatingIfNeeded: number)) }
                place += length
            }
            // What had no room comes with the next call, and the longest name has 255 bytes.
            if count + 512 < buffer.count { return found.sorted() }
        }
    }
}

extension FileFacts {
    /// statx(2) of a path below a directory. Nothing is mounted, opened or asked of a server for it.
    package static func of(
        _ path: String, below directory: Int32 = AT_FDCWD, followingLinks: Bool
    ) throws(Errno) -> FileFacts {
        var raw = statx()
        // AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, AT_SYMLINK_NOFOLLOW
        let flags = 0x800 | 0x4000 | (followingLinks ? 0 : 0x100)
        let result = path.withCString { (path) -> Result<Int, Errno> in
            withUnsafeMutablePointer(to: &raw) { (raw) -> Result<Int, Errno> in
                do throws(Errno) {
                    return .success(
                        try systemCall(
                            CP_SYS_statx, Int(directory), Int(bitPattern: path), flags, 0x17ff,
                            Int(bitPattern: raw)))
                } catch {
                    return .failure(error)
                }
            }
        }
        _ = try result.get()
        var facts = FileFacts(
            device: DeviceNumber(raw.stx_dev_major, raw.stx_dev_minor), inode: raw.stx_ino,
            mode: UInt32(raw.stx_mode))
        facts.links = raw.stx_nlink
        facts.uid = raw.stx_uid
        facts.gid = raw.stx_gid
        facts.size = raw.stx_size
        facts.blocks = raw.stx_blocks
        facts.represents = DeviceNumber(raw.stx_rdev_major, raw.stx_rdev_minor)
        facts.accessSeconds = raw.stx_atime.tv_sec
        facts.accessNanoseconds = raw.stx_atime.tv_nsec
        facts.modifySeconds = raw.stx_mtime.tv_sec
        facts.modifyNanoseconds = raw.stx_mtime.tv_nsec
        if raw.stx_mask & 0x1000 != 0 { facts.mount = raw.stx_mnt_id }
        return facts
    }
}
