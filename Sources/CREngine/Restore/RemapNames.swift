import CPlatform
import Glibc

/// Names that exist only while a tree is restored: deleted files made again under a temporary name, and the old
/// name of each such file for the moment in which it is opened, so that /proc shows `PATH (deleted)` again.
///
/// Everything it made is removed by `finish`, or by `deinit` when the restore fails, or by the keeper when it is killed.
final class RemapNames {
    private let files: [UInt32: FileImage]
    private let remaps: [UInt32: RemapImage]
    private let ghosts: [UInt32: GhostImage]
    private let source: any GhostSource
    /// Temporary names of ghosts by number.
    private var ghostNames: [UInt32: String] = [:]
    private var temporaryFiles: [String] = []
    private var temporaryDirectories: [String] = []
    /// Deleted files that never had a name.
    private let nameless: NamelessFiles
    /// Helper names that the dump left, which go when the restore has succeeded.
    private var spentHelpers: Set<String> = []

    private let keepsHelpers: Bool
    private let keeper: RestoreKeeper
    let paths: TreePaths

    init(
        tree: TreeImage, source: any GhostSource, keepsHelpers: Bool = false, paths: TreePaths = TreePaths(),
        keeper: RestoreKeeper = RestoreKeeper()
    ) {
        self.paths = paths
        self.keeper = keeper
        self.source = source
        self.keepsHelpers = keepsHelpers
        nameless = NamelessFiles(tree: tree)
        files = Dictionary(tree.files.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        remaps = Dictionary(tree.remaps.map { ($0.file, $0) }, uniquingKeysWith: { first, _ in first })
        ghosts = Dictionary(tree.ghosts.map { ($0.number, $0) }, uniquingKeysWith: { first, _ in first })
    }

    deinit { removeTemporaries() }

    func isRemapped(_ id: UInt32) -> Bool { remaps[id] != nil }

    /// Opens a file by its path, whatever has become of the name.
    func open(_ id: UInt32, path: String, flags: Int32) throws(RestoreError) -> OwnedFD {
        guard let remap = remaps[id] else {
            return try RestoreError.about(path, "cannot be opened") { () throws(Errno) in
                try paths.inside { () throws(Errno) in try OwnedFD.open(path, flags) }
            }
        }
        switch remap.kind {
        case .ghost:
            guard let ghost = ghosts[remap.target] else {
                throw RestoreError(path, "deleted file is missing from the image (ghost \(remap.target))")
            }
            if ghost.mode & UInt32(S_IFMT) == UInt32(S_IFDIR) {
                return try paths.inside { () throws(RestoreError) in
                    let name = try ghostDirectory(ghost, path: path)
                    return try RestoreError.about(path, "cannot be opened") { () throws(Errno) in
                        try OwnedFD.open(name, flags)
                    }
                }
            }
            if nameless.has(ghost.number) {
                return try nameless.open(id, ghost.number, path: path, flags: flags, paths) {
                    (name) throws(RestoreError) -> Void in
                    try source.write(ghost, to: name)
                    try applyAttributes(ghost, name: name, path: path)
                }
            }
            return try paths.inside { () throws(RestoreError) in
                try openLinked(from: try ghostName(ghost, path: path), path: path, flags: flags)
            }
        case .linked:
            guard case .regular(let helper)? = files[remap.target]?.content else {
                throw RestoreError(path, "its helper name is missing from the image (file \(remap.target))")
            }
            spentHelpers.insert(helper.path)
            return try paths.inside { () throws(RestoreError) in
                try openLinked(from: helper.path, path: path, flags: flags)
            }
        case .procfs:
            throw RestoreError(
                path, "is a file of the ended process \(remap.target), which cannot be restored yet",
                remedy: "close it in the program before the dump")
        }
    }

    /// Removes what was made, and the helper names of the dump. Not undoable, so it comes last.
    func finish() {
        removeTemporaries()
        if !keepsHelpers { paths.inside { for name in spentHelpers { _ = unlink(name) } } }
        spentHelpers = []
    }

    /// Removes what was made to open deleted files by; nothing can be opened any more after it.
    func removeTemporaries() {
        if temporaryFiles.isEmpty, temporaryDirectories.isEmpty { return }
        paths.inside {
            for name in temporaryFiles { _ = unlink(name) }
            for name in temporaryDirectories.reversed() { _ = rmdir(name) }
        }
        temporaryFiles = []
        temporaryDirectories = []
    }

    /// Links the file to its old name, opens it by that, and takes the name away again.
    private func openLinked(from name: String, path: String, flags: Int32) throws(RestoreError) -> OwnedFD {
        var made: [String] = []
        defer { for directory in made.reversed() { _ = rmdir(directory) } }
        try makeParents(of: path, made: &made)
        let failure = "deleted file cannot be opened again under its old name"
        let link = try RestoreError.about(path, failure) { () throws(Errno) -> String in
            do throws(Errno) {
                try Self.link(name, path)
                return path
            } catch {
                if error != .exists { throw error }
                try Self.link(name, path + ".crplan_link")
                return path + ".crplan_link"
            }
        }
        let trace: RestoreKeeper.Trace
        let opened: OwnedFD
        do throws(RestoreError) {
            trace = try keeper.noteFile(link)
            opened = try RestoreError.about(path, failure) { () throws(Errno) in try OwnedFD.open(link, flags)
            }
        } catch {
            _ = unlink(link)
            throw error
        }
        _ = unlink(link)
        try keeper.forget(trace)
        return opened
    }

    private func ghostName(_ ghost: GhostImage, path: String) throws(RestoreError) -> String {
        if let name = ghostNames[ghost.number] { return name }
        try makeParents(of: path, made: &temporaryDirectories)
        let name = path + ".crplan." + String(ghost.number, radix: 16) + ".ghost"
        try RestoreError.about(path, "deleted file cannot be made again") { () throws(Errno) -> Void in
            switch ghost.mode & UInt32(S_IFMT) {
            case UInt32(S_IFREG):
                try Self.create(name)
                temporaryFiles.append(name)
            case UInt32(S_IFLNK):
                throw .notSupported
            default:
                // Of a restore that was killed, as above.
                if access(name, F_OK) == 0 { try Self.call { unlink(name) } }
                let device = dev_t(ghost.rdevice ?? 0)
                try Self.call { mknod(name, ghost.mode, device) }
                temporaryFiles.append(name)
            }
        }
        try keeper.noteFile(name)
        if ghost.mode & UInt32(S_IFMT) == UInt32(S_IFREG) {
            try source.write(ghost, to: name)
        }
        try applyAttributes(ghost, name: name, path: path)
        ghostNames[ghost.number] = name
        return name
    }

    /// Of a restore that was killed the name may still be there; nobody else has such names.
    private static func create(_ name: String) throws(Errno) {
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW
        do throws(Errno) {
            _ = try OwnedFD.open(name, flags, mode: 0o600)
        } catch {
            if error != .exists { throw error }
            try call { unlink(name) }
            _ = try OwnedFD.open(name, flags, mode: 0o600)
        }
    }

    private func ghostDirectory(_ ghost: GhostImage, path: String) throws(RestoreError) -> String {
        if let name = ghostNames[ghost.number] { return name }
        try makeParents(of: path, made: &temporaryDirectories)
        var name = path
        // It may have been made already, for another one inside of it.
        if !temporaryDirectories.contains(path) {
            try RestoreError.about(path, "removed directory cannot be made again") {
                () throws(Errno) -> Void in
                do throws(Errno) {
                    try Self.call { mkdir(path, 0o700) }
                } catch {
                    // Another one has its path; /proc will show the name that ours had for a moment.
                    if error != .exists { throw error }
                    name = path + ".crplan." + String(ghost.number, radix: 16) + ".ghost"
                    try Self.call { mkdir(name, 0o700) }
                }
            }
            temporaryDirectories.append(name)
            try keeper.note(.directory(name))
        }
        try applyAttributes(ghost, name: name, path: path)
        ghostNames[ghost.number] = name
        return name
    }

    private func applyAttributes(_ ghost: GhostImage, name: String, path: String) throws(RestoreError) {
        try RestoreError.about(path, "owner or mode of a deleted file cannot be set") {
            () throws(Errno) -> Void in
            try Self.call { chown(name, ghost.uid, ghost.gid) }
            try Self.call { chmod(name, ghost.mode & 0o7777) }
        }
        // A change of the owner would take file capabilities away.
        for attribute in ghost.attributes {
            try RestoreError.about(path, "attribute \(attribute.text) of a deleted file cannot be set") {
                () throws(Errno) in try attribute.set(on: name)
            }
        }
        try RestoreError.about(path, "times of a deleted file cannot be set") { () throws(Errno) -> Void in
            let times = [
                timespec(tv_sec: Int(ghost.accessSeconds), tv_nsec: Int(ghost.accessMicroseconds) * 1000),
                timespec(tv_sec: Int(ghost.modifySeconds), tv_nsec: Int(ghost.modifyMicroseconds) * 1000),
            ]
            try Self.call { utimensat(AT_FDCWD, name, times, 0) }
        }
    }

    /// Makes the directories above a path that are gone, and adds them to `made` in the order of their making.
    private func makeParents(of path: String, made: inout [String]) throws(RestoreError) {
        var missing: [String] = []
        var directory = path
        while let slash = directory.lastIndex(of: "/"), slash > directory.startIndex {
            directory = String(directory[..<slash])
            if access(directory, F_OK) == 0 { break }
            missing.append(directory)
        }
        for name in missing.reversed() {
            try RestoreError.about(path, "its directory \(name) cannot be made again") { () throws(Errno) in
                try Self.call { mkdir(name, 0o755) }
            }
            made.append(name)
            try keeper.note(.directory(name))
        }
    }

    private static func link(_ old: String, _ new: String) throws(Errno) {
        try call { Glibc.link(old, new) }
    }

    private static func call(_ body: () -> Int32) throws(Errno) {
        if body() != 0 { throw Errno(rawValue: errno) }
    }
}
