import CPlatform
import Glibc

/// Names of the POSIX message queues of the ipc namespace that the calling thread is in. See mq_overview(7).
enum MessageQueueNames {
    /// They are the files of a file system, which need not be mounted anywhere; so it is here, for the moment of a look.
    static func here() throws(Errno) -> [String] {
        let context: OwnedFD
        do throws(Errno) {
            let closeOnExec = 1
            context = OwnedFD(
                taking: Int32(
                    try withName("mqueue") { (name) throws(Errno) in
                        try systemCall(CP_SYS_fsopen, name, closeOnExec)
                    }))
        } catch {
            // A kernel without CONFIG_POSIX_MQUEUE.
            if error == Errno(rawValue: ENODEV) { return [] }
            throw error
        }
        let descriptor = Int(context.rawValue)
        try systemCall(CP_SYS_fsconfig, descriptor, Int(CP_FSCONFIG_CMD_CREATE), 0, 0, 0)
        let mount = OwnedFD(taking: Int32(try systemCall(CP_SYS_fsmount, descriptor, 1, 0)))
        return try names(in: mount)
    }

    private static func names(in mount: borrowing OwnedFD) throws(Errno) -> [String] {
        let fd = try withName(".") { (name) throws(Errno) -> Int in
            let flags = Int(O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            return try systemCall(CP_SYS_openat, Int(mount.rawValue), name, flags, 0)
        }
        guard let stream = fdopendir(Int32(fd)) else {
            let error = Errno(rawValue: errno)
            _ = close(Int32(fd))
            throw error
        }
        defer { closedir(stream) }
        var found: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { raw in
                String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != "." && name != ".." { found.append(name) }
        }
        return found.sorted()
    }

    private static func withName(_ name: String, _ body: (Int) throws(Errno) -> Int) throws(Errno) -> Int {
        var bytes = Array(name.utf8CString)
        return try bytes.withUnsafeMutableBufferPointer { (buffer) throws(Errno) -> Int in
            try body(Int(bitPattern: buffer.baseAddress))
        }
    }
}
