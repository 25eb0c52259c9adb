import CPlatform
import Glibc

/// The calls of the mount interface by descriptors, made in a stub. See fsopen(2), open_tree(2), move_mount(2),
/// mount_setattr(2). Descriptors are the stub's.
struct MountCalls: Sendable {
    let stub: StubThread

    // Places in the scratch area.
    private static let first = 0
    private static let second = 8192
    private static let third = 16384

    private func text(_ string: String, at place: Int) throws(RestoreError) -> Int {
        let bytes = Array(string.utf8) + [0]
        guard bytes.count <= Self.second else {
            throw RestoreError(string, "is too long for a path or an option")
        }
        return try stub.put(bytes, at: place)
    }

    func close(_ fd: Int) throws(RestoreError) { try stub.call("close", CP_SYS_close, fd) }

    /// A clone of one mount, which no namespace has: of what a descriptor shows, or of a part of it.
    func clone(_ fd: Int, part: String = "") throws(RestoreError) -> Int {
        let path = try text(part, at: Self.first)
        let flags = Int(CP_OPEN_TREE_CLONE) | Int(CP_OPEN_TREE_CLOEXEC) | Int(AT_EMPTY_PATH)
        return try stub.call(
            "open_tree", CP_SYS_open_tree, fd, path, flags | Int(AT_SYMLINK_NOFOLLOW) | Int(AT_NO_AUTOMOUNT))
    }

    /// A mount of a new file system, or of one that the kernel has once only.
    func makeFileSystem(
        _ name: String, source: String, options: [String], flags: MountFlags
    ) throws(RestoreError) -> Int {
        let context = try stub.call("fsopen", CP_SYS_fsopen, try text(name, at: Self.first), 1)
        do throws(RestoreError) {
            if !source.isEmpty { try set(context, "source", source) }
            for option in options {
                let parts = option.split(separator: "=", maxSplits: 1).map(String.init)
                if parts.count == 2 {
                    try set(context, parts[0], parts[1])
                } else if let word = parts.first {
                    try set(context, word, nil)
                }
            }
            for word in flags.superblockFlagWords { try set(context, word, nil) }
            try configure(context, CP_FSCONFIG_CMD_CREATE, 0, 0)
        } catch {
            throw explained(error, context)
        }
        let mount = try stub.call("fsmount", CP_SYS_fsmount, context, 1, 0)
        try close(context)
        return mount
    }

    /// Sets flags of the file system that a descriptor shows.
    func reconfigure(_ fd: Int, _ flags: MountFlags) throws(RestoreError) {
        let cloexecAndEmptyPath = 1 | 8
        let context = try stub.call(
            "fspick", CP_SYS_fspick, fd, try text("", at: Self.first), cloexecAndEmptyPath)
        do throws(RestoreError) {
            for word in flags.superblockFlagWords { try set(context, word, nil) }
            try configure(context, CP_FSCONFIG_CMD_RECONFIGURE, 0, 0)
        } catch {
            throw explained(error, context)
        }
        try close(context)
    }

    private func set(_ context: Int, _ key: String, _ value: String?) throws(RestoreError) {
        let keyAddress = try text(key, at: Self.first)
        let command = value == nil ? CP_FSCONFIG_SET_FLAG : CP_FSCONFIG_SET_STRING
        var valueAddress = 0
        if let value { valueAddress = try text(value, at: Self.second) }
        try configure(context, Int(command), keyAddress, valueAddress)
    }

    private func configure(_ context: Int, _ command: Int, _ key: Int, _ value: Int) throws(RestoreError) {
        try stub.call("fsconfig", CP_SYS_fsconfig, context, command, key, value, 0)
    }

    /// With what the kernel says of the cause, which it keeps with the context.
    private func explained(_ error: RestoreError, _ context: Int) -> RestoreError {
        var error = error
        let room = 256
        guard let address = try? stub.put([UInt8](repeating: 0, count: room), at: Self.third),
            case .success(let count)? = try? stub.attempt("read", CP_SYS_read, context, address, room),
            let bytes = try? RemoteMemory.bytes(
                PID(stub.tid.rawValue), RemoteAddress(UInt64(address)), count: count)
        else { return error }
        // "e tmpfs: Unknown parameter 'x'"
        let said = bytes.prefix { $0 != 0 && $0 != 0x0a }.dropFirst(2)
        if !said.isEmpty { error.fact += " (\(String(decoding: said, as: UTF8.self)))" }
        return error
    }

    /// Sets what the mount allows, and nothing else of that kind.
    func setAttributes(_ fd: Int, _ flags: MountFlags) throws(RestoreError) {
        let attributes = cp_mount_attr(
            attr_set: flags.attributes, attr_clr: MountFlags.allAttributes & ~flags.attributes | 0x70,
            propagation: 0, userns_fd: 0)
        try setAttributes(fd, attributes, recursively: false)
    }

    /// MS_PRIVATE, MS_SLAVE, MS_SHARED or MS_UNBINDABLE.
    func setPropagation(_ fd: Int, _ propagation: MountFlags, recursively: Bool = false) throws(RestoreError)
    {
        try setAttributes(
            fd,
            cp_mount_attr(attr_set: 0, attr_clr: 0, propagation: UInt64(propagation.rawValue), userns_fd: 0),
            recursively: recursively)
    }

    private func setAttributes(
        _ fd: Int, _ attributes: cp_mount_attr, recursively: Bool
    ) throws(RestoreError) {
        let path = try text("", at: Self.first)
        let address = try stub.put(attributes, at: Self.second)
        let recursive = 0x8000
        try stub.call(
            "mount_setattr", CP_SYS_mount_setattr, fd, path,
            Int(AT_EMPTY_PATH) | (recursively ? recursive : 0),
            address, MemoryLayout<cp_mount_attr>.size)
    }

    /// Opens a place below a mount without leaving it: no symbolic link, no other mount on the way. Refusals are the
    /// caller's to explain.
    func place(_ path: String, below fd: Int) throws(RestoreError) -> Result<Int, Errno> {
        let address = try text(path, at: Self.first)
        let how = cp_open_how(
            flags: UInt64(O_PATH | O_CLOEXEC), mode: 0,
            resolve: UInt64(CP_RESOLVE_NO_XDEV | CP_RESOLVE_NO_SYMLINKS | CP_RESOLVE_BENEATH))
        return try stub.attempt(
            "openat2", CP_SYS_openat2, fd, address, try stub.put(how, at: Self.second),
            MemoryLayout<cp_open_how>.size)
    }

    /// Puts a mount on what another descriptor shows, or on a path as the stub sees it.
    func move(_ fd: Int, onto target: Int, path: String = "") throws(RestoreError) -> Result<Int, Errno> {
        let from = try text("", at: Self.first)
        let flags = Int(CP_MOVE_MOUNT_F_EMPTY_PATH) | (path.isEmpty ? Int(CP_MOVE_MOUNT_T_EMPTY_PATH) : 0)
        return try stub.attempt(
            "move_mount", CP_SYS_move_mount, fd, from, target, try text(path, at: Self.second), flags)
    }

    /// Lets a private mount share as another does, of the same file system. See do_set_group in fs/namespace.c.
    func joinGroup(_ fd: Int, of other: Int) throws(RestoreError) {
        let flags =
            Int(CP_MOVE_MOUNT_F_EMPTY_PATH) | Int(CP_MOVE_MOUNT_T_EMPTY_PATH) | Int(CP_MOVE_MOUNT_SET_GROUP)
        try stub.call(
            "move_mount", CP_SYS_move_mount, other, try text("", at: Self.first), fd,
            try text("", at: Self.second), flags)
    }

    func makeDirectory(_ name: String, in fd: Int) throws(RestoreError) {
        try stub.call("mkdirat", CP_SYS_mkdirat, fd, try text(name, at: Self.first), 0o700)
    }

    /// An empty regular file, for something to be mounted on.
    func makeFile(_ name: String, in fd: Int) throws(RestoreError) {
        try stub.call(
            "mknodat", CP_SYS_mknodat, fd, try text(name, at: Self.first), Int(S_IFREG | 0o600), 0)
    }

    /// Makes a mounted directory the root; what was the root lies over it from then on. See pivot_root(2).
    func pivot(to root: Int) throws(RestoreError) {
        try stub.call("fchdir", CP_SYS_fchdir, root)
        let here = try text(".", at: Self.first)
        try stub.call("pivot_root", CP_SYS_pivot_root, here, here)
    }

    /// Takes the topmost mount at a directory off, with all that is mounted in it.
    func detach(_ directory: Int) throws(RestoreError) {
        try stub.call("fchdir", CP_SYS_fchdir, directory)
        try stub.call("umount2", CP_SYS_umount2, try text(".", at: Self.first), Int(MNT_DETACH))
    }

    func goToRoot() throws(RestoreError) {
        try stub.call("chdir", CP_SYS_chdir, try text("/", at: Self.first))
    }
}
