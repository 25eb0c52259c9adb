import CPlatform
import Glibc

/// Files by handle: what a file system calls a file when nobody knows its name. See open_by_handle_at(2).
package final class FileHandles {
    private let mounts: [MountRow]
    /// Directories of ours on the mounts of a file system, by its device; opened when first asked for.
    private var places: [UInt32: [Int32]] = [:]

    /// Knows the mounts that this process sees.
    package init() throws(Errno) {
        let bytes = try OwnedFD.open("/proc/self/mountinfo", O_RDONLY).readToEnd()
        // One that shows all of its file system is sure to reach the file.
        let rows = (try? MountRow.parse(bytes)) ?? []
        mounts = rows.filter { $0.root == "/" } + rows.filter { $0.root != "/" }
    }

    deinit { for place in places.values.joined() { _ = close(place) } }

    /// A few of them are as good as all.
    private func mounted(_ device: UInt32) -> [Int32] {
        if let known = places[device] { return known }
        var found: [Int32] = []
        for mount in mounts where mount.device.kernelEncoding == device && found.count < 8 {
            guard let place = try? OwnedFD.open(mount.mountPoint, O_RDONLY | O_DIRECTORY | O_NONBLOCK),
                (try? Self.mountID(of: place)) == mount.id
            else { continue }
            found.append(place.release())
        }
        places[device] = found
        return found
    }

    /// Where a mount is covered by another one its path leads to that.
    private static func mountID(of file: borrowing OwnedFD) throws(Errno) -> Int32? {
        let bytes = try OwnedFD.open("/proc/self/fdinfo/\(file.rawValue)", O_RDONLY).readToEnd()
        return (try? DescriptorInfo(parsing: bytes))?.mount
    }

    /// A mount by its id.
    package func mount(_ id: Int32) -> MountRow? { mounts.first { $0.id == id } }

    /// The file with O_PATH, which reads nothing of it. `device` in kernel encoding.
    ///
    /// Throws ESTALE where the file is gone or another one, or no mount shows its file system; EPERM without
    /// CAP_DAC_READ_SEARCH.
    package func open(
        device: UInt32, inode: UInt64, type: UInt32, handle: [UInt8]
    ) throws(Errno) -> OwnedFD {
        if handle.isEmpty { throw Errno(rawValue: ESTALE) }
        var words = [UInt32(handle.count), type]
        for start in stride(from: 0, to: handle.count, by: 4) {
            let part = handle[start..<min(start + 4, handle.count)]
            words.append(part.reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) })
        }
        for place in mounted(device) {
            let raw: Int
            do throws(Errno) {
                raw = try words.withUnsafeBufferPointer { (buffer) throws(Errno) -> Int in
                    try systemCall(
                        CP_SYS_open_by_handle_at, Int(place), Int(bitPattern: buffer.baseAddress),
                        Int(O_PATH | O_CLOEXEC))
                }
            } catch {
                if error == .perm { throw error }
                continue
            }
            let file = OwnedFD(taking: Int32(raw))
            guard let facts = try? FileFacts.of("/proc/self/fd/\(raw)", followingLinks: true),
                facts.inode == inode
            else { continue }
            return file
        }
        throw Errno(rawValue: ESTALE)
    }
}
