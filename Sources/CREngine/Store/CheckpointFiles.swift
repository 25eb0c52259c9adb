import CPlatform
import Glibc

/// The files of one checkpoint's directory.
enum CheckpointFiles {
    /// Logs grow while the rest is sealed, a restore adds its own and its statistics, and pins come and go, so no
    /// digest covers them.
    private static let unsealed: Set<String> = ["dump.log", "restore.log", "stats-restore", Pin.fileName]

    /// Leads to the images that those of an increment continue; `Checkpoint.verify` holds it against the manifest.
    static let parentLink = "images/" + ImageName.parent

    /// Whether a file may come and change after the manifest: also the logs of single tasks.
    static func isUnsealed(_ path: String) -> Bool {
        unsealed.contains(path)
            || path.hasPrefix("restore.log.") && path.dropFirst("restore.log.".count).allSatisfy(\.isNumber)
    }

    /// A name below the checkpoint's directory that its manifest can tell of.
    struct Found: Sendable, Equatable {
        /// `images/core-42.img`
        var path: String
        var kind: StoreDirectory.Entry.Kind
        var size: UInt64
    }

    /// Everything below a directory except directories, the manifest and what no digest covers, by path.
    static func list(_ directory: borrowing StoreDirectory) throws(StoreError) -> [Found] {
        var all: [Found] = []
        try list(directory, prefix: "", into: &all)
        return all.filter {
            $0.path != Manifest.fileName && !isUnsealed($0.path)
                && !($0.path == parentLink && $0.kind == .symbolicLink)
        }
    }

    private static func list(
        _ directory: borrowing StoreDirectory, prefix: String, into all: inout [Found]
    ) throws(StoreError) {
        for entry in try directory.entries() {
            if entry.kind == .directory {
                let inner = try directory.subdirectory(entry.name)
                try list(inner, prefix: prefix + entry.name + "/", into: &all)
            } else {
                all.append(Found(path: prefix + entry.name, kind: entry.kind, size: entry.size))
            }
        }
    }

    /// Makes every file and every directory below this one durable and private, and gives the digests of the files.
    static func seal(_ directory: borrowing StoreDirectory) throws(StoreError) -> [Manifest.File] {
        var files: [Manifest.File] = []
        try seal(directory, prefix: "", into: &files)
        return files.sorted { $0.path < $1.path }
    }

    private static func seal(
        _ directory: borrowing StoreDirectory, prefix: String, into files: inout [Manifest.File]
    ) throws(StoreError) {
        for entry in try directory.entries() {
            let path = prefix + entry.name
            switch entry.kind {
            case .directory:
                let inner = try directory.subdirectory(entry.name)
                _ = fchmod(inner.fd.rawValue, 0o700)
                try seal(inner, prefix: path + "/", into: &files)
            case .file:
                let file = try directory.file(entry.name)
                _ = fchmod(file.rawValue, 0o600)
                try StoreError.about(directory.pathOf(entry.name), "cannot be made durable") {
                    () throws(Errno) -> Void in try systemCall(CP_SYS_fsync, Int(file.rawValue))
                }
                if isUnsealed(path) { continue }
                let (digest, size) = try Digest.ofFile(file, name: directory.pathOf(entry.name))
                files.append(Manifest.File(path: path, size: size, sha256: digest))
            case .symbolicLink where path == parentLink: break
            case .symbolicLink, .other:
                throw StoreError(.failed, directory.pathOf(entry.name), "is neither a file nor a directory")
            }
        }
        try directory.sync()
    }

    /// Reads each file's bytes from the disk and compares them with the manifest. One problem a file.
    static func compare(
        _ directory: borrowing StoreDirectory, with manifest: Manifest
    ) throws(StoreError) -> [CheckpointProblem] {
        var problems: [CheckpointProblem] = []
        var wanted = Dictionary(manifest.files.map { ($0.path, $0) }, uniquingKeysWith: { first, _ in first })
        for found in try list(directory) {
            guard let record = wanted.removeValue(forKey: found.path) else {
                problems.append(.init(found.path, "is not in the manifest"))
                continue
            }
            guard found.kind == .file else {
                problems.append(.init(found.path, "is no regular file"))
                continue
            }
            guard found.size == record.size else {
                problems.append(
                    .init(found.path, "has \(found.size) bytes and the manifest says \(record.size)"))
                continue
            }
            do throws(StoreError) {
                let digest = try freshDigest(directory, found.path)
                if digest != record.sha256 {
                    problems.append(
                        .init(found.path, "has other contents than when it was written (SHA-256)"))
                }
            } catch {
                problems.append(.init(found.path, error.errno.map { "\(error.fact): \($0)" } ?? error.fact))
            }
        }
        for path in wanted.keys.sorted() { problems.append(.init(path, "is missing")) }
        return problems
    }

    /// The digest of what the disk holds: clean pages of the cache are dropped first. See posix_fadvise(2).
    private static func freshDigest(
        _ directory: borrowing StoreDirectory, _ path: String
    ) throws(StoreError) -> Digest {
        if let slash = path.firstIndex(of: "/") {
            let inner = try directory.subdirectory(String(path[..<slash]))
            return try freshDigest(inner, String(path[path.index(after: slash)...]))
        }
        let file = try directory.file(path)
        posix_fadvise(file.rawValue, 0, 0, POSIX_FADV_DONTNEED)
        return try Digest.ofFile(file, name: directory.pathOf(path)).digest
    }
}

/// One thing that is wrong with a checkpoint.
package struct CheckpointProblem: Error, Codable, Sendable, Equatable, CustomStringConvertible {
    /// Below the checkpoint's directory.
    package var path: String
    package var fact: String

    package init(_ path: String, _ fact: String) {
        self.path = path
        self.fact = fact
    }

    package var description: String { "\(path): \(fact)" }
}
