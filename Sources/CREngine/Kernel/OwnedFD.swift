import CPlatform
import Glibc

/// A descriptor of ours, closed when its owner goes.
package struct OwnedFD: ~Copyable, Sendable {
    package let rawValue: Int32

    /// Takes over a descriptor; nobody else may close it.
    package init(taking rawValue: Int32) { self.rawValue = rawValue }

    deinit { _ = close(rawValue) }

    /// Gives the descriptor up without closing it.
    package consuming func release() -> Int32 {
        let value = rawValue
        discard self
        return value
    }
}

extension OwnedFD {
    /// Opens a path, O_CLOEXEC always added. See open(2).
    package static func open(_ path: String, _ flags: Int32, mode: UInt32 = 0) throws(Errno) -> OwnedFD {
        try openat(AT_FDCWD, path, flags, mode: mode)
    }

    /// Opens a path relative to a directory, O_CLOEXEC always added. See openat(2).
    package static func openat(
        _ directory: Int32, _ path: String, _ flags: Int32, mode: UInt32 = 0
    ) throws(Errno) -> OwnedFD {
        let result = path.withCString { (cPath) -> Result<Int, Errno> in
            do throws(Errno) {
                return .success(
                    try systemCall(
                        CP_SYS_openat, Int(directory), Int(bitPattern: cPath), Int(flags | O_CLOEXEC),
                        Int(mode)))
            } catch {
                return .failure(error)
            }
        }
        return OwnedFD(taking: Int32(try result.get()))
    }

    /// A file in memory with these bytes, its offset at their start. See memfd_create(2).
    static func memory(_ name: String, holding bytes: [UInt8]) throws(Errno) -> OwnedFD {
        let result = name.withCString {
            cp_syscall(CP_SYS_memfd_create, Int(bitPattern: $0), Int(MFD_CLOEXEC), 0, 0, 0, 0)
        }
        if result < 0 { throw Errno(rawValue: Int32(-result)) }
        let file = OwnedFD(taking: Int32(result))
        try file.writeAll(bytes)
        try systemCall(CP_SYS_lseek, result, 0, Int(SEEK_SET))
        return file
    }

    /// Reads up to the buffer's size at the present offset; 0 at the end.
    package borrowing func read(into buffer: UnsafeMutableRawBufferPointer) throws(Errno) -> Int {
        try systemCall(CP_SYS_read, Int(rawValue), Int(bitPattern: buffer.baseAddress), buffer.count)
    }

    /// Writes all bytes at the present offset.
    package borrowing func writeAll(_ bytes: UnsafeRawBufferPointer) throws(Errno) {
        var rest = bytes
        while !rest.isEmpty {
            let written = try systemCall(
                CP_SYS_write, Int(rawValue), Int(bitPattern: rest.baseAddress), rest.count)
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(written))
        }
    }

    /// Writes all bytes at the present offset.
    package borrowing func writeAll(_ bytes: [UInt8]) throws(Errno) {
        try bytes.withUnsafeBufferPointer { (buffer) throws(Errno) -> Void in
            try writeAll(UnsafeRawBufferPointer(buffer))
        }
    }

    /// Reads from the present offset to the end of the file, or past `limit` bytes.
    ///
    /// `inOneGo`: the file comes in one piece, so that a read which leaves room was the last.
    package borrowing func readToEnd(
        inOneGo: Bool = false, limit: Int = .max
    ) throws(Errno) -> [UInt8] {
        var all: [UInt8] = []
        var room = 4096
        while true {
            // Memory that is read into is not filled with zeroes first: most files are small and there are many.
            var result = Result<Int, Errno>.success(0)
            let chunk = [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
                do throws(Errno) {
                    count = try read(into: UnsafeMutableRawBufferPointer(buffer))
                } catch {
                    result = .failure(error)
                }
            }
            _ = try result.get()
            if chunk.isEmpty { return all }
            let isLast = inOneGo && chunk.count < room
            if all.isEmpty { all = chunk } else { all.append(contentsOf: chunk) }
            if isLast || all.count > limit { return all }
            room = min(room * 2, 1 << 18)
        }
    }
}
