import CPlatform
import Glibc

/// Open files that a restore does not make but is given, or that stand in for something outside the tree.
final class GivenFiles {
    private let tree: TreeImage
    /// Descriptors of ours by CRIU's name of what they are: `pipe:[12]`, `tty[8803:17]`, `file[1:2]`, a path without its
    /// first slash.
    private let inherited: [String: Int32]

    init(tree: TreeImage, inherited: [String: Int32]) {
        self.tree = tree
        self.inherited = inherited
    }

    /// Files that the image's own kinds do not make.
    var ids: Set<UInt32> { Set(tree.files.filter { ending(of: $0) != nil }.map(\.id)) }

    /// Names of --inherit-fd that nothing in the image has.
    var unused: [String] {
        if inherited.isEmpty { return [] }
        let names = Set(tree.files.flatMap { Self.names(of: $0, tree) }).union(
            GivenNamespaces.labels(tree).map(\.label))
        return inherited.keys.filter { !names.contains($0) }.sorted()
    }

    /// Whether it must be given and was not.
    func isMissing(_ file: FileImage) -> Bool {
        !Self.names(of: file, tree).contains { inherited[$0] != nil }
    }

    /// CRIU's name for it.
    func name(of file: FileImage) -> String { Self.names(of: file, tree).first ?? "file \(file.id)" }

    /// What takes the place of a file; nil for what is made from the image.
    func ending(of file: FileImage) -> StreamEnding? {
        if !inherited.isEmpty, Self.names(of: file, tree).contains(where: { inherited[$0] != nil }) {
            return .given
        }
        return tree.streams[file.id]
    }

    /// Opens what takes the file's place; nil for what is made from the image.
    func open(_ file: FileImage) throws(RestoreError) -> OwnedFD? {
        guard let ending = ending(of: file) else { return nil }
        let names = Self.names(of: file, tree)
        let subject = names.first ?? "file \(file.id)"
        let flags = Self.flags(of: file)
        switch ending {
        case .standardStream(let number): return try Self.copy(number, subject, flags)
        case .given:
            guard let fd = names.lazy.compactMap({ self.inherited[$0] }).first else {
                throw RestoreError(
                    subject, "is outside the tree and was not given",
                    remedy: "restore with --inherit-fd fd[N]:\(subject)")
            }
            var position: UInt64?
            if case .regular(let image) = file.content { position = image.position }
            return try Self.copy(fd, subject, flags, position: position)
        case .null: return try Self.opened("/dev/null", subject, flags & ~O_APPEND)
        case .device(_, let path, _):
            if let problem = deviceProblem(file) { throw problem }
            let device = try Self.opened(path, subject, flags)
            if case .regular(let image) = file.content { Self.seek(device, image.position) }
            return device
        case .file(let path):
            let access = flags & O_ACCMODE
            return try Self.opened(
                path, subject,
                access == O_RDONLY ? flags : flags & ~O_DIRECT | O_CREAT | O_APPEND)
        }
    }

    /// Pipes and terminals are opened anew, with the flags of the image, and so is a file for a file; everything else shares
    /// its description with whoever gave it, the offset too.
    private static func copy(
        _ fd: Int32, _ subject: String, _ flags: Int32, position: UInt64? = nil
    ) throws(RestoreError) -> OwnedFD {
        var status = stat()
        guard fstat(fd, &status) == 0 else {
            throw RestoreError(subject, "descriptor \(fd) that was given for it is not open")
        }
        let type = status.st_mode & S_IFMT
        let isDevice = position != nil && (type == S_IFCHR || type == S_IFBLK)
        let canOpen = type == S_IFIFO || isatty(fd) != 0 || position != nil && type == S_IFREG || isDevice
        return try RestoreError.about(subject, "descriptor \(fd) that was given for it cannot be used") {
            () throws(Errno) -> OwnedFD in
            guard canOpen else {
                return OwnedFD(
                    taking: Int32(try systemCall(CP_SYS_fcntl, Int(fd), Int(F_DUPFD_CLOEXEC), 3)))
            }
            let opened = try OwnedFD.open("/proc/self/fd/\(fd)", flags | O_NOCTTY)
            if type == S_IFREG, let position, position != .max {
                try systemCall(
                    CP_SYS_lseek, Int(opened.rawValue), Int(truncatingIfNeeded: position), Int(SEEK_SET))
            }
            if isDevice, let position { seek(opened, position) }
            return opened
        }
    }

    /// Many devices have no offset.
    private static func seek(_ file: borrowing OwnedFD, _ position: UInt64) {
        if position == 0 || position == .max { return }
        _ = cp_syscall(
            CP_SYS_lseek, Int(file.rawValue), Int(truncatingIfNeeded: position), Int(SEEK_SET), 0, 0, 0)
    }

    /// Why a device cannot be opened again where it was; nil where it can.
    func deviceProblem(_ file: FileImage) -> RestoreError? {
        guard case .device(let name, let path, let number)? = ending(of: file) else { return nil }
        let remedy = "restore with --external dev[\(name)]:PATH"
        do throws(Errno) {
            let facts = try FileFacts.of(path, followingLinks: true)
            let isDevice = facts.type == .characterDevice || facts.type == .blockDevice
            if isDevice, facts.represents == number { return nil }
            let now = isDevice ? "device \(facts.represents)" : "no device"
            return RestoreError(path, "was device \(number) and is \(now) now", remedy: remedy)
        } catch {
            return RestoreError(path, "device \(number) is not there any more", errno: error, remedy: remedy)
        }
    }

    private static func opened(_ path: String, _ subject: String, _ flags: Int32) throws(RestoreError)
        -> OwnedFD
    {
        try RestoreError.about(subject, "\(path), which is to stand in for it, cannot be opened") {
            () throws(Errno) in
            try OwnedFD.open(path, flags | O_NOCTTY, mode: 0o600)
        }
    }

    private static func flags(of file: FileImage) -> Int32 {
        let flags: UInt32
        switch file.content {
        case .regular(let image): flags = image.flags
        case .pipe(let image): flags = image.flags
        case .terminal(let image): flags = image.flags
        default: flags = UInt32(O_RDWR)
        }
        return Int32(bitPattern: flags) & ~(O_CREAT | O_EXCL | O_TRUNC | O_ASYNC | O_CLOEXEC | O_DIRECTORY)
    }

    /// CRIU's names for a file.
    private static func names(of file: FileImage, _ tree: TreeImage) -> [String] {
        switch file.content {
        case .regular(let image):
            let path = image.isExternal == true ? image.path : String(image.path.dropFirst())
            guard case .device(let name, _, _)? = tree.streams[file.id] else { return [path] }
            return ["dev[\(name)]", path]
        case .pipe(let image): return ["pipe:[\(image.pipe)]"]
        case .unixSocket(let image): return ["socket:[\(image.inode)]"]
        case .terminal(let image):
            guard let side = tree.terminals.first(where: { $0.id == image.terminal }) else { return [] }
            return [side.key]
        default: return []
        }
    }
}
