import CPlatform
import Glibc

/// Names of the unix sockets that are made, and how each is reached by connect(2).
///
/// The files that were made at paths go again with this object, unless `keep` was called.
final class SocketNames {
    private struct Bound {
        var name: [UInt8]
        /// O_PATH descriptor of the file; nil for an abstract name.
        var file: Int32?
        /// The path of a file that stays, and what it must become.
        var path: String?
        var permissions: UnixSocketImage.Permissions?
    }
    /// By our descriptor of the socket.
    private var bound: [Int32: Bound] = [:]
    /// Our end of connections whose other end nobody holds, by file id.
    var orphanEnds: [UInt32: Int32] = [:]
    private var isKept = false
    private let paths: TreePaths
    private let user: UserNamespaceImage?

    private let keeper: RestoreKeeper

    /// `user`: the tree's own user namespace.
    init(_ paths: TreePaths, user: UserNamespaceImage?, keeper: RestoreKeeper) {
        self.keeper = keeper
        self.paths = paths
        self.user = user
    }

    deinit {
        for (_, entry) in bound {
            if let file = entry.file { _ = close(file) }
            if let path = entry.path, !isKept { _ = paths.inside { unlink(path) } }
        }
        for end in orphanEnds.values { _ = close(end) }
    }

    /// The tree runs: its files stay.
    func keep() { isKept = true }

    /// Gives a socket its name. A socket file that is left at the path goes, as its socket is gone.
    func bind(_ row: UnixSocketPlan.Row, fd: Int32) throws(RestoreError) {
        guard let path = row.socket.path, row.socket.isDeleted != true else {
            try bindForTheMoment(row.socket.name, fd: fd)
            return
        }
        let text = String(decoding: path, as: UTF8.self)
        let full = text.hasPrefix("/") ? text : "\(row.socket.directory ?? "")/\(text)"
        var isNew = true
        try RestoreError.about(full, "a socket cannot be bound there") { () throws(Errno) -> Void in
            let file = try paths.inside { () throws(Errno) -> OwnedFD in
                if let there = try? FileFacts.of(full, followingLinks: false), there.type == .socket {
                    if unlink(full) != 0 { throw Errno(rawValue: errno) }
                    isNew = false
                }
                try Self.within(directory: text.hasPrefix("/") ? nil : row.socket.directory) {
                    () throws(Errno) -> Void in try Self.bind(fd, row.socket.name)
                }
                return try OwnedFD.open(full, O_PATH | O_NOFOLLOW)
            }
            note(
                fd,
                Bound(
                    name: row.socket.name, file: file.release(), path: full,
                    permissions: row.socket.permissions))
        }
        if isNew { _ = try paths.inside { () throws(RestoreError) in try keeper.noteFile(full) } }
    }

    /// Gives a socket a name whose file nobody else can find: in a file system of its own, which goes with the socket.
    func bindForTheMoment(_ name: [UInt8], fd: Int32) throws(RestoreError) {
        try RestoreError.about(UnixSocketImage.title(name), "a socket cannot get this name") {
            () throws(Errno) -> Void in
            if name.first == 0 {
                try Self.bind(fd, name)
                note(fd, Bound(name: name))
                return
            }
            let text = String(decoding: name.prefix { $0 != 0 }, as: UTF8.self)
            let file = try Self.inEmptyRoot(directoriesOf: text) { () throws(Errno) -> OwnedFD in
                try Self.bind(fd, name)
                return try OwnedFD.open(text, O_PATH | O_NOFOLLOW)
            }
            note(fd, Bound(name: name, file: file.release()))
        }
    }

    /// Runs a body with the address of a bound socket, or with the descriptor of its file instead.
    ///
    /// For `owner`, a user of the tree's user namespace, that file is writable then, and for nobody else but us.
    func reach(
        _ fd: Int32, for owner: UInt32?, _ body: ([UInt8], Int32?) throws(RestoreError) -> Void
    ) throws(RestoreError) {
        guard let entry = bound[fd] else {
            throw RestoreError("unix socket", "has to be connected to, and has no name")
        }
        if let file = entry.file, let owner {
            try RestoreError.about(
                String(decoding: entry.name, as: UTF8.self), "its owner cannot be set"
            ) { () throws(Errno) -> Void in
                let uid = user.map { $0.users.outside(owner) ?? IDMap.none } ?? owner
                try Self.set(file, mode: 0o200, uid: uid, gid: .max)
            }
        }
        try body(SocketName.address(entry.name), entry.file)
    }

    /// Gives the files the modes and owners that they had.
    func settle() throws(RestoreError) {
        for entry in bound.values {
            guard let file = entry.file, let path = entry.path else { continue }
            let wanted = entry.permissions ?? .init(mode: 0o755, uid: getuid(), gid: getgid())
            try RestoreError.about(path, "its mode and owner cannot be set") { () throws(Errno) -> Void in
                try Self.set(file, mode: wanted.mode & 0o7777, uid: wanted.uid, gid: wanted.gid)
            }
        }
    }

    private func note(_ fd: Int32, _ entry: Bound) {
        if let old = bound.updateValue(entry, forKey: fd), let file = old.file { _ = close(file) }
    }

    private static func bind(_ fd: Int32, _ name: [UInt8]) throws(Errno) {
        // Nobody but us may connect before it is all there.
        let mask = umask(0o777)
        defer { umask(mask) }
        try SocketCalls.bind(fd, SocketName.address(name))
    }

    /// First the owner, then the mode, as a change of owner takes bits away.
    private static func set(_ file: Int32, mode: UInt32, uid: UInt32, gid: UInt32) throws(Errno) {
        let emptyPath: Int32 = 0x1000
        if fchownat(file, "", uid, gid, emptyPath) != 0 { throw Errno(rawValue: errno) }
        if chmod("/proc/self/fd/\(file)", mode) != 0 { throw Errno(rawValue: errno) }
    }

    /// Runs a body in a directory; nil is where we are.
    private static func within(directory: String?, _ body: () throws(Errno) -> Void) throws(Errno) {
        guard let directory else { return try body() }
        let here = try OwnedFD.open(".", O_PATH | O_DIRECTORY)
        let there = try OwnedFD.open(directory, O_PATH | O_DIRECTORY)
        try systemCall(CP_SYS_fchdir, Int(there.rawValue))
        let result = attempt(body)
        try systemCall(CP_SYS_fchdir, Int(here.rawValue))
        try result.get()
    }

    /// Runs a body with an empty tmpfs as our root and working directory, in which the directories of a path exist. The
    /// file system is mounted nowhere.
    private static func inEmptyRoot(
        directoriesOf path: String, _ body: () throws(Errno) -> OwnedFD
    ) throws(Errno) -> OwnedFD {
        let mount = try NamelessMount.empty()
        let parts = path.split(separator: "/").dropLast()
        for count in parts.indices {
            let directory = parts[...count].joined(separator: "/")
            let result = mkdirat(mount.rawValue, directory, 0o700)
            if result != 0 && errno != EEXIST { throw Errno(rawValue: errno) }
        }
        let here = try OwnedFD.open(".", O_PATH | O_DIRECTORY)
        let root = try OwnedFD.open("/", O_PATH | O_DIRECTORY)
        try systemCall(CP_SYS_fchdir, Int(mount.rawValue))
        try changeRoot()
        var file: Int32 = -1
        let result = attempt { () throws(Errno) -> Void in file = try body().release() }
        try systemCall(CP_SYS_fchdir, Int(root.rawValue))
        try changeRoot()
        try systemCall(CP_SYS_fchdir, Int(here.rawValue))
        try result.get()
        return OwnedFD(taking: file)
    }

    private static func attempt(_ body: () throws(Errno) -> Void) -> Result<Void, Errno> {
        do throws(Errno) { return .success(try body()) } catch { return .failure(error) }
    }

    private static func changeRoot() throws(Errno) {
        if chroot(".") != 0 { throw Errno(rawValue: errno) }
    }
}
