import CPlatform
import Glibc

/// What is known of a user namespace that the root of a tree has of its own. See user_namespaces(7).
package struct UserNamespaceFacts: Equatable, Sendable {
    /// As we see the ids outside.
    package var users: IDMap
    package var groups: IDMap
    /// Whether setgroups(2) is denied in it for good.
    package var deniesGroups: Bool
    /// Whether it was made in another one than ours.
    package var isNested: Bool
    package init(users: IDMap, groups: IDMap, deniesGroups: Bool, isNested: Bool) {
        self.users = users
        self.groups = groups
        self.deniesGroups = deniesGroups
        self.isNested = isNested
    }

    /// Supplementary groups of a task that could not set them from inside.
    package func mustKeep(_ groups: [UInt32]) -> Bool {
        deniesGroups || groups.contains { self.groups.inside($0) == nil }
    }
}

extension UserNamespaceFacts {
    /// Of a process, whose namespace has the inode `own`; `ours` is that of our namespace.
    static func read(
        of pid: PID, ours: UInt64
    ) throws(Errno) -> Result<UserNamespaceFacts, ProcFormatError> {
        let directory = try ProcDirectory.open("/proc/\(pid)")
        let (users, groups) = (try directory.read("uid_map"), try directory.read("gid_map"))
        // A kernel before 3.19 has no such file, and allows.
        let setgroups = try? directory.read("setgroups")
        let parent = try parent(of: pid)
        do throws(ProcFormatError) {
            return .success(
                UserNamespaceFacts(
                    users: try IDMap(parsing: users), groups: try IDMap(parsing: groups),
                    deniesGroups: setgroups?.starts(with: Array("deny".utf8)) ?? false,
                    isNested: parent != ours))
        } catch {
            return .failure(error)
        }
    }

    /// The inode of the namespace in which that of a process was made; nil where it is above ours. See ioctl_ns(2).
    private static func parent(of pid: PID) throws(Errno) -> UInt64? {
        try related("/proc/\(pid)/ns/user", getParent)
    }

    /// The inode of the user namespace that owns one of a process's namespaces; nil where it is above ours.
    static func owner(of kind: NamespaceKind, of pid: PID) throws(Errno) -> UInt64? {
        try related("/proc/\(pid)/ns/\(kind.rawValue)", getOwner)
    }

    // NS_GET_USERNS and NS_GET_PARENT of include/uapi/linux/nsfs.h.
    private static let getOwner = 0xb701
    private static let getParent = 0xb702

    private static func related(_ path: String, _ request: Int) throws(Errno) -> UInt64? {
        let namespace = try OwnedFD.open(path, O_RDONLY)
        let number: Int
        do throws(Errno) {
            number = try systemCall(CP_SYS_ioctl, Int(namespace.rawValue), request)
        } catch {
            if error == .perm { return nil }
            throw error
        }
        let other = OwnedFD(taking: Int32(number))
        var status = stat()
        guard fstat(other.rawValue, &status) == 0 else { throw Errno(rawValue: errno) }
        return UInt64(status.st_ino)
    }
}
