import CPlatform
import Glibc

/// Files that open(2) made with O_TMPFILE and that have no name yet: linkat(2) may still give them one, but not once
/// they have had a name. So they are made the same way again.
final class NamelessFiles {
    private struct Maker {
        /// The file entry of the open file that made it.
        var file: UInt32
        var flags: Int32
        /// That open file again; -1 before it is needed.
        var ours: Int32 = -1
    }
    /// __O_TMPFILE, which stays in the flags of that open file.
    private static let unnamed: UInt32 = 0o20000000
    private var makers: [UInt32: Maker] = [:]

    init(tree: TreeImage) {
        let ghosts = Dictionary(
            tree.remaps.filter { $0.kind == .ghost }.map { ($0.file, $0.target) },
            uniquingKeysWith: { first, _ in first })
        for file in tree.files {
            guard case .regular(let image) = file.content, image.flags & Self.unnamed != 0,
                let ghost = ghosts[file.id], makers[ghost] == nil
            else { continue }
            makers[ghost] = Maker(file: file.id, flags: Int32(bitPattern: image.flags) & ~O_ASYNC)
        }
    }

    deinit {
        for maker in makers.values where maker.ours >= 0 { _ = close(maker.ours) }
    }

    /// Whether this ghost is such a file.
    func has(_ ghost: UInt32) -> Bool { makers[ghost] != nil }

    /// The open file of this entry, or another one of the same file. `fill` puts contents and attributes into the file
    /// of a name, once.
    func open(
        _ file: UInt32, _ ghost: UInt32, path: String, flags: Int32, _ paths: TreePaths,
        fill: (String) throws(RestoreError) -> Void
    ) throws(RestoreError) -> OwnedFD {
        guard var maker = makers[ghost] else { throw RestoreError(path, "deleted file is not known") }
        if maker.ours < 0 {
            let directory = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? ""
            let made = try RestoreError.about(path, "nameless file cannot be made again") {
                () throws(Errno) in
                try paths.inside { () throws(Errno) in
                    try OwnedFD.open(
                        directory.isEmpty ? "/" : directory, maker.flags | O_DIRECTORY | O_CLOEXEC,
                        mode: 0o600)
                }
            }
            maker.ours = made.release()
            makers[ghost] = maker
            try fill("/proc/self/fd/\(maker.ours)")
        }
        let ours = maker.ours
        let isMaker = maker.file == file
        return try RestoreError.about(path, "nameless file cannot be opened") { () throws(Errno) -> OwnedFD in
            if isMaker {
                return OwnedFD(
                    taking: Int32(try systemCall(CP_SYS_fcntl, Int(ours), Int(F_DUPFD_CLOEXEC), 3)))
            }
            return try OwnedFD.open("/proc/self/fd/\(ours)", flags)
        }
    }
}
