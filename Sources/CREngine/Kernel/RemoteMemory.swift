import CPlatform

/// Memory of another process, read and written from outside. See process_vm_readv(2).
package enum RemoteMemory {
    /// Reads the whole range. Throws EFAULT where a page is missing or may not be read.
    package static func read(
        _ pid: PID, _ address: RemoteAddress, into buffer: UnsafeMutableRawBufferPointer
    ) throws(Errno) {
        var done = 0
        while done < buffer.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
            done += try transfer(CP_SYS_process_vm_readv, pid, address + done, rest)
        }
    }

    /// Reads several ranges, one behind the other, by one call. False where not all of it can be read. At most 1024
    /// ranges (IOV_MAX).
    static func gather(
        _ pid: PID, _ ranges: [(address: RemoteAddress, count: Int)],
        into buffer: UnsafeMutableRawBufferPointer
    ) throws(Errno) -> Bool {
        var local = iovec(iov_base: buffer.baseAddress, iov_len: buffer.count)
        let remote = ranges.map {
            iovec(
                iov_base: UnsafeMutableRawPointer(bitPattern: UInt($0.address.rawValue)), iov_len: $0.count)
        }
        do throws(Errno) {
            return try remote.withUnsafeBufferPointer { (remote) throws(Errno) -> Bool in
                try withUnsafeMutablePointer(to: &local) { (local) throws(Errno) -> Int in
                    try systemCall(
                        CP_SYS_process_vm_readv, Int(pid.rawValue), Int(bitPattern: local), 1,
                        Int(bitPattern: remote.baseAddress), remote.count)
                } == buffer.count
            }
        } catch {
            if error == .fault { return false }
            throw error
        }
    }

    /// Reads `count` bytes.
    package static func bytes(_ pid: PID, _ address: RemoteAddress, count: Int) throws(Errno) -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: count)
        try buffer.withUnsafeMutableBufferPointer { (buffer) throws(Errno) -> Void in
            try read(pid, address, into: UnsafeMutableRawBufferPointer(buffer))
        }
        return buffer
    }

    /// Reads one value of a type without references.
    package static func value<T: BitwiseCopyable>(
        _ pid: PID, _ address: RemoteAddress, as type: T.Type
    ) throws(Errno) -> T {
        let raw = try bytes(pid, address, count: MemoryLayout<T>.size)
        return raw.withUnsafeBytes { $0.loadUnaligned(as: T.self) }
    }

    /// Writes all bytes; respects the protection of the pages.
    package static func write(_ pid: PID, _ address: RemoteAddress, _ bytes: [UInt8]) throws(Errno) {
        var copy = bytes
        try copy.withUnsafeMutableBufferPointer { (buffer) throws(Errno) -> Void in
            var rest = UnsafeMutableRawBufferPointer(buffer)
            var target = address
            while !rest.isEmpty {
                let count = try transfer(CP_SYS_process_vm_writev, pid, target, rest)
                target = target + count
                rest = UnsafeMutableRawBufferPointer(rebasing: rest[count...])
            }
        }
    }

    /// One transfer in either direction; returns the bytes moved, at least one.
    private static func transfer(
        _ number: Int, _ pid: PID, _ address: RemoteAddress, _ buffer: UnsafeMutableRawBufferPointer
    ) throws(Errno) -> Int {
        var local = iovec(iov_base: buffer.baseAddress, iov_len: buffer.count)
        var remote = iovec(
            iov_base: UnsafeMutableRawPointer(bitPattern: UInt(address.rawValue)), iov_len: buffer.count)
        let count = try withUnsafeMutablePointer(to: &local) { (local) throws(Errno) -> Int in
            try withUnsafeMutablePointer(to: &remote) { (remote) throws(Errno) -> Int in
                try systemCall(
                    number, Int(pid.rawValue), Int(bitPattern: local), 1, Int(bitPattern: remote), 1)
            }
        }
        if count == 0 { throw .fault }
        return count
    }
}
