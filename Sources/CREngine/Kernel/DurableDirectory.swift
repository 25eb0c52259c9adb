import CPlatform
import Glibc

/// A directory whose files must survive a power failure.
package enum DurableDirectory {
    /// fsync(2) of each file in the directory and of the directory itself; not of directories below it.
    package static func sync(_ directory: borrowing OwnedFD) throws(Errno) {
        for name in try names(directory) {
            let file: OwnedFD
            do throws(Errno) {
                file = try OwnedFD.openat(directory.rawValue, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW)
            } catch {
                // A symbolic link: the directory's own sync covers it.
                if error.rawValue == ELOOP { continue }
                throw error
            }
            try systemCall(CP_SYS_fsync, Int(file.rawValue))
        }
        try systemCall(CP_SYS_fsync, Int(directory.rawValue))
    }

    /// Entries without "." and "..".
    package static func names(_ directory: borrowing OwnedFD) throws(Errno) -> [String] {
        let copy = try OwnedFD.openat(directory.rawValue, ".", O_RDONLY | O_DIRECTORY)
        guard let stream = fdopendir(copy.release()) else { throw Errno(rawValue: errno) }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names
    }
}
