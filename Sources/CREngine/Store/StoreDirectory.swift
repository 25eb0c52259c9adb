import CPlatform
import Glibc

/// A directory of the store held open. Symbolic links in it are never followed.
struct StoreDirectory: ~Copyable {
    /// One name in a directory.
    struct Entry: Sendable, Equatable {
        enum Kind: Sendable, Equatable {
            case file
            case directory
            case symbolicLink
            case other
        }
        var name: String
        var kind: Kind
        var size: UInt64
    }

    let fd: OwnedFD
    /// For messages.
    let path: String

    private init(fd: consuming OwnedFD, path: String) {
        self.fd = fd
        self.path = path
    }

    /// Opens a directory that exists.
    static func open(_ path: String) throws(StoreError) -> StoreDirectory {
        let fd = try StoreError.about(path, "cannot be opened") { () throws(Errno) -> OwnedFD in
            try OwnedFD.open(path, O_RDONLY | O_DIRECTORY)
        }
        return StoreDirectory(fd: fd, path: path)
    }

    /// Opens a directory, making it and those above it where they are missing, mode 0700, each made durable.
    static func openOrMake(path: String) throws(StoreError) -> StoreDirectory {
        if let directory = try? open(path) { return directory }
        let parts = path.split(separator: "/")
        var directory = try open("/")
        for part in parts { directory = try directory.openOrMake(String(part)) }
        return directory
    }

    func subdirectory(_ name: String) throws(StoreError) -> StoreDirectory {
        let path = pathOf(name)
        let inner = try StoreError.about(path, "cannot be opened") { () throws(Errno) -> OwnedFD in
            try OwnedFD.openat(fd.rawValue, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        }
        return StoreDirectory(fd: inner, path: path)
    }

    /// Opens a directory in this one, made first where it is missing.
    func openOrMake(_ name: String) throws(StoreError) -> StoreDirectory {
        var status = stat()
        if fstatat(fd.rawValue, name, &status, 0) == 0 {
            // A store may lie below a symbolic link; inside the store nothing is one.
            let inner = try StoreError.about(pathOf(name), "cannot be opened") {
                () throws(Errno) -> OwnedFD in
                try OwnedFD.openat(fd.rawValue, name, O_RDONLY | O_DIRECTORY)
            }
            return StoreDirectory(fd: inner, path: pathOf(name))
        }
        return try make(name)
    }

    /// Makes a directory, mode 0700, and opens it. Throws EEXIST where the name is taken.
    func make(_ name: String) throws(StoreError) -> StoreDirectory {
        try check(mkdirat(fd.rawValue, name, 0o700), name, "cannot be made")
        try sync()
        return try subdirectory(name)
    }

    /// Opens a regular file for reading.
    func file(_ name: String) throws(StoreError) -> OwnedFD {
        let file = try StoreError.about(pathOf(name), "cannot be opened") { () throws(Errno) -> OwnedFD in
            try OwnedFD.openat(fd.rawValue, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
        }
        var status = stat()
        try check(fstat(file.rawValue, &status), name, "cannot be examined")
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw StoreError(.failed, pathOf(name), "is no regular file")
        }
        return file
    }

    /// Writes a new file, mode 0600, and makes its contents durable; the name is durable after `sync`.
    func write(_ name: String, _ bytes: [UInt8]) throws(StoreError) {
        let path = pathOf(name)
        try StoreError.about(path, "cannot be written") { () throws(Errno) -> Void in
            let file = try OwnedFD.openat(
                fd.rawValue, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o600)
            try file.writeAll(bytes)
            try systemCall(CP_SYS_fsync, Int(file.rawValue))
        }
    }

    /// What the directory holds, by name, without `.` and `..`.
    func entries() throws(StoreError) -> [Entry] {
        let copy = try StoreError.about(path, "cannot be listed") { () throws(Errno) -> OwnedFD in
            try OwnedFD.openat(fd.rawValue, ".", O_RDONLY | O_DIRECTORY)
        }
        guard let stream = fdopendir(copy.rawValue) else {
            throw StoreError(.failed, path, "cannot be listed", errno: Errno(rawValue: errno))
        }
        _ = copy.release()
        defer { closedir(stream) }
        var entries: [Entry] = []
        while true {
            errno = 0
            guard let row = readdir(stream) else { break }
            let name = withUnsafeBytes(of: &row.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name == "." || name == ".." { continue }
            if let entry = try entry(name) { entries.append(entry) }
        }
        if errno != 0 { throw StoreError(.failed, path, "cannot be listed", errno: Errno(rawValue: errno)) }
        return entries.sorted { $0.name < $1.name }
    }

    /// Nil when the name is not there.
    func entry(_ name: String) throws(StoreError) -> Entry? {
        var status = stat()
        if fstatat(fd.rawValue, name, &status, AT_SYMLINK_NOFOLLOW) != 0 {
            if errno == ENOENT { return nil }
            throw StoreError(.failed, pathOf(name), "cannot be examined", errno: Errno(rawValue: errno))
        }
        let kind: Entry.Kind =
            switch status.st_mode & S_IFMT {
            case S_IFREG: .file
            case S_IFDIR: .directory
            case S_IFLNK: .symbolicLink
            default: .other
            }
        return Entry(name: name, kind: kind, size: UInt64(max(0, status.st_size)))
    }

    /// Where a symbolic link leads; nil when there is no such link.
    func linkTarget(_ name: String) -> String? {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlinkat(fd.rawValue, name, &buffer, buffer.count)
        if count < 0 { return nil }
        return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Makes a symbolic link lead elsewhere in one step, durably.
    func pointLink(_ name: String, to target: String) throws(StoreError) {
        let temporary = ".\(name).new"
        _ = unlinkat(fd.rawValue, temporary, 0)
        try check(symlinkat(target, fd.rawValue, temporary), temporary, "cannot be made")
        try check(renameat(fd.rawValue, temporary, fd.rawValue, name), name, "cannot be replaced")
        try sync()
    }

    /// Gives a directory its final name, which must be free, durably. See renameat2(2).
    func publish(_ from: String, as to: String) throws(StoreError) {
        let noReplace: UInt32 = 1
        try check(renameat2(fd.rawValue, from, fd.rawValue, to, noReplace), to, "cannot be put in place")
        try sync()
    }

    /// Removes a file, a link or a directory with all that is in it.
    func remove(_ entry: Entry) throws(StoreError) {
        if entry.kind == .directory {
            let directory = try subdirectory(entry.name)
            for inner in try directory.entries() { try directory.remove(inner) }
        }
        let flag = entry.kind == .directory ? AT_REMOVEDIR : 0
        try check(unlinkat(fd.rawValue, entry.name, flag), entry.name, "cannot be removed")
    }

    /// Makes the names in the directory durable. See fsync(2).
    func sync() throws(StoreError) {
        try StoreError.about(path, "cannot be made durable") { () throws(Errno) -> Void in
            try systemCall(CP_SYS_fsync, Int(fd.rawValue))
        }
    }

    /// Gives the descriptor up without closing it.
    consuming func release() -> Int32 { fd.release() }

    func pathOf(_ name: String) -> String { path.hasSuffix("/") ? path + name : path + "/" + name }

    private func check(_ result: Int32, _ name: String, _ fact: String) throws(StoreError) {
        if result != 0 { throw StoreError(.failed, pathOf(name), fact, errno: Errno(rawValue: errno)) }
    }
}
