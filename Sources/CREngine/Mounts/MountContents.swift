import CPlatform
import Glibc

/// Takes the files of a namespace's file systems in memory into an image directory.
///
/// They are read through clones of the mounts that belong to no namespace, so nothing that is mounted over them hides
/// anything, and nothing in the namespace changes. What lies under a mount that a user namespace has locked nobody in it will
/// ever see again: that comes back empty.
enum MountContents {
    /// Writes one archive for each of `survey.withContents`. Every task of the namespace is stopped.
    static func write(_ survey: MountSurvey, to directory: borrowing OwnedFD) throws(DumpError) {
        let wanted = survey.withContents
        if wanted.isEmpty { return }
        let namespaces = try Namespaces(of: survey.facts.pid)
        let clones = try clones(of: wanted, survey, namespaces)
        defer { for clone in clones.values { _ = close(clone) } }
        for row in wanted {
            guard let clone = clones[row.id] else { continue }
            let name = ImageName.mountContents(row.device.kernelEncoding)
            let file: OwnedFD
            do throws(Errno) {
                file = try ImageDirectory.create(name, in: directory)
            } catch {
                throw .image(name, error)
            }
            do throws(TarProgram.Failure) {
                try TarProgram.pack(
                    clone, into: file.rawValue, userNamespace: namespaces.otherUser)
            } catch {
                throw .cannotCarry(
                    "process \(survey.facts.pid): the files of mount \(row.id) at \(row.mountPoint) "
                        + "cannot be read: \(error.line)")
            }
        }
    }

    /// Descriptors of a task's namespaces.
    private struct Namespaces: ~Copyable {
        let mount: OwnedFD
        let user: OwnedFD
        let userIsOurs: Bool

        init(of pid: PID) throws(DumpError) {
            let mount = try Self.open("/proc/\(pid)/ns/mnt", pid)
            let user = try Self.open("/proc/\(pid)/ns/user", pid)
            let own = try Self.open("/proc/self/ns/user", pid)
            userIsOurs = Self.inode(user) == Self.inode(own)
            self.mount = mount
            self.user = user
        }

        private static func open(_ path: String, _ pid: PID) throws(DumpError) -> OwnedFD {
            do throws(Errno) {
                return try OwnedFD.open(path, O_RDONLY)
            } catch {
                throw .task(pid, "\(path) cannot be opened", error)
            }
        }

        /// Zero only for a descriptor that is none.
        private static func inode(_ fd: borrowing OwnedFD) -> UInt64 {
            var status = stat()
            return fstat(fd.rawValue, &status) == 0 ? UInt64(status.st_ino) : 0
        }

        /// Nil where it is ours.
        var otherUser: Int32? { userIsOurs ? nil : user.rawValue }
    }

    /// Our own descriptors of the clones, by the id of the mount.
    private static func clones(
        of wanted: [MountRow], _ survey: MountSurvey, _ namespaces: borrowing Namespaces
    ) throws(DumpError) -> [Int32: Int32] {
        let ids = Set(wanted.map(\.id))
        // What lies over a wanted mount's path is taken off the copy first; so this goes backwards, down to the first
        // that is wanted.
        let steps = survey.tree.attachOrder.reversed().filter { $0.id != survey.tree.root.id }
        guard let last = steps.lastIndex(where: { ids.contains($0.id) }) else { return [:] }
        let walked = steps[...last]
        let paths = walked.map { strdup($0.mountPoint) }
        defer { paths.forEach { free($0) } }
        let rows = zip(walked, paths).map { row, path in
            cp_mount_step(path: path, clones: ids.contains(row.id) ? 1 : 0, detaches: 1)
        }
        var results = [Int32](repeating: 0, count: rows.count)
        let pid = survey.facts.pid
        let outcome = cp_mounts_clone(
            namespaces.mount.rawValue, namespaces.otherUser ?? -1, rows, rows.count, &results)
        if outcome < 0 {
            throw .task(pid, "its mount namespace cannot be copied", Errno(rawValue: -outcome))
        }
        var found: [Int32: Int32] = [:]
        var failure: DumpError?
        for (row, result) in zip(walked, results) where ids.contains(row.id) {
            if result < 0 {
                failure = .task(
                    pid, "mount \(row.id) at \(row.mountPoint) cannot be cloned", Errno(rawValue: -result))
            } else {
                found[row.id] = result
                var status = stat()
                guard fstat(result, &status) == 0,
                    DeviceNumber(major(status.st_dev), minor(status.st_dev)) == row.device
                else {
                    // A mount over it that cannot be taken off.
                    if namespaces.otherUser != nil {
                        found[row.id] = nil
                        _ = close(result)
                        do throws(Errno) {
                            found[row.id] = try NamelessMount.empty().release()
                        } catch {
                            failure = .environment("no empty file system can be had: \(error)")
                        }
                        continue
                    }
                    failure = .cannotCarry(
                        "process \(pid): mount \(row.id) at \(row.mountPoint) is hidden by another that "
                            + "cannot be taken off a copy")
                    continue
                }
            }
        }
        guard let failure else { return found }
        for clone in found.values { _ = close(clone) }
        throw failure
    }
}

/// See makedev(3).
private func major(_ device: dev_t) -> UInt32 { UInt32(device >> 8 & 0xfff | device >> 32 & 0xffff_f000) }
private func minor(_ device: dev_t) -> UInt32 { UInt32(device & 0xff | device >> 12 & 0xffff_ff00) }
