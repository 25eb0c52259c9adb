import CPlatform
import Glibc

/// /proc/PID/mem: memory of another process whatever the protection of its pages. See proc_pid_mem(5).
package struct ProcessMemoryFile: ~Copyable {
    private let file: OwnedFD

    package init(_ pid: PID) throws(Errno) {
        file = try OwnedFD.open("/proc/\(pid)/mem", O_RDWR)
    }

    /// Writes all bytes, breaking copy-on-write where the pages are private.
    package func write(_ address: RemoteAddress, _ bytes: UnsafeRawBufferPointer) throws(Errno) {
        var done = 0
        while done < bytes.count {
            let count = try systemCall(
                CP_SYS_pwrite64, Int(file.rawValue), Int(bitPattern: bytes.baseAddress.map { $0 + done }),
                bytes.count - done, Int(bitPattern: UInt((address + done).rawValue)))
            if count == 0 { throw .io }
            done += count
        }
    }

    /// Writes all bytes, breaking copy-on-write where the pages are private.
    package func write(_ address: RemoteAddress, _ bytes: [UInt8]) throws(Errno) {
        try bytes.withUnsafeBufferPointer { (buffer) throws(Errno) -> Void in
            try write(address, UnsafeRawBufferPointer(buffer))
        }
    }

    /// Reads the whole buffer, pages without read access too.
    package func read(_ address: RemoteAddress, into buffer: UnsafeMutableRawBufferPointer) throws(Errno) {
        var done = 0
        while done < buffer.count {
            let count = try systemCall(
                CP_SYS_pread64, Int(file.rawValue), Int(bitPattern: buffer.baseAddress.map { $0 + done }),
                buffer.count - done, Int(bitPattern: UInt((address + done).rawValue)))
            if count == 0 { throw .io }
            done += count
        }
    }
}
