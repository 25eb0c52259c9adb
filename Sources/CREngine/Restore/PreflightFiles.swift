import CPlatform
import Glibc

/// Whether the files of a tree are there and are still the same.
struct PreflightFiles {
    let tree: TreeImage
    let options: RestoreOptions

    /// `checksPaths`: not while the tree's paths are not there yet, for want of its mount namespace.
    func problems(checksPaths: Bool = true) -> [RestoreError] {
        var found: [RestoreError] = []
        let given = GivenFiles(tree: tree, inherited: options.inherited)
        // Names of terminals come to be with them.
        let names = Set(
            tree.files.compactMap { file -> UInt32? in
                guard case .terminal(let image) = file.content else { return nil }
                return image.regularFile
            })
        let ofProcesses = FilesOfProcesses(tree: tree).paths
        let remapped = Set(tree.remaps.map(\.file)).union(given.ids).union(names)
        var looks = FileLooks()
        for file in tree.files {
            switch file.content {
            case .regular(let regular):
                if regular.isExternal == true {
                    if given.ending(of: file) == nil {
                        found.append(
                            RestoreError(
                                regular.path, "is outside the tree and was not given",
                                remedy: "restore with --inherit-fd fd[N]:\(regular.path)"))
                    }
                } else if checksPaths, !remapped.contains(file.id), ofProcesses[file.id] == nil {
                    if let problem = check(regular, &looks) { found.append(problem) }
                }
            case .unsupported(let kind):
                let users = tree.tasks.flatMap { task in
                    task.descriptors.filter { $0.file == file.id }.map { "fd \($0.fd) of \(task.pid)" }
                }
                found.append(
                    RestoreError(
                        users.first ?? "file \(file.id)",
                        "is of kind \(FileKindName.name(kind)), which cannot be restored yet"))
            case .pipe, .fifo, .memfd, .unixSocket, .terminal, .posixQueue: break
            case .inetSocket, .packetSocket, .netlinkSocket: break
            case .eventFD, .signalFD, .timerFD, .processFD, .namespaceFD, .epoll: break
            // Their files are looked for by `NotifyFiles`.
            case .inotify, .fanotify: break
            }
        }
        found += PreflightTerminals(tree: tree, options: options, given: given).problems()
        for remap in tree.remaps where remap.kind == .procfs {
            found.append(
                RestoreError(
                    "file \(remap.file)", "is a /proc file of the ended process \(remap.target)",
                    remedy: "close it in the program before the dump"))
        }
        return found
    }

    /// Of paths alone, where those of a mount namespace of the tree's own lead by now.
    func pathProblems(_ paths: TreePaths) -> [RestoreError] {
        paths.inside { problems() }.filter { problem in
            tree.files.contains {
                if case .regular(let regular) = $0.content { regular.path == problem.subject } else { false }
            }
        }
    }

    private func check(_ file: RegularFileImage, _ looks: inout FileLooks) -> RestoreError? {
        // Of a link itself there are names only, see O_PATH of open(2).
        let isLink = file.mode.map { $0 & UInt32(S_IFMT) == UInt32(S_IFLNK) } ?? false
        let now: stat
        switch looks.look(at: file.path, followingLinks: !isLink) {
        case .success(let facts): now = facts
        case .failure(let errno): return RestoreError(file.path, "cannot be found", errno: errno)
        }
        if let mode = file.mode {
            let compared: UInt32 = options.skipsModeCheck ? ~0o777 : .max
            if mode & compared != now.st_mode & compared {
                return RestoreError(
                    file.path,
                    "has mode 0\(String(now.st_mode, radix: 8)), and had 0\(String(mode, radix: 8)) at the dump"
                )
            }
        }
        if let size = file.size, now.st_mode & S_IFMT == S_IFREG, size != UInt64(now.st_size) {
            return RestoreError(
                file.path, "has \(now.st_size) bytes, and had \(size) at the dump",
                remedy: "put the file back as it was")
        }
        if options.fileCheck == .buildID, !file.buildID.isEmpty, let problem = checkBuildID(file) {
            return problem
        }
        return nil
    }

    private func checkBuildID(_ file: RegularFileImage) -> RestoreError? {
        do throws(Errno) {
            let opened = try OwnedFD.open(file.path, O_RDONLY)
            // CRIU looks for the note in the first MiB.
            var bytes = [UInt8](repeating: 0, count: 1 << 20)
            let count = try bytes.withUnsafeMutableBufferPointer { (buffer) throws(Errno) -> Int in
                try opened.read(into: UnsafeMutableRawBufferPointer(buffer))
            }
            let now = BuildID.inELF(Array(bytes[..<count])).map(BuildID.words)
            if now == file.buildID { return nil }
        } catch {
            return RestoreError(file.path, "cannot be read", errno: error)
        }
        return RestoreError(
            file.path, "is another build than at the dump", remedy: "install the version that it was")
    }
}

/// What stat(2) says of paths, asked once each: many open files can be one file.
private struct FileLooks {
    private struct Place: Hashable {
        var path: String
        var followsLinks: Bool
    }
    private var known: [Place: Result<stat, Errno>] = [:]

    mutating func look(at path: String, followingLinks follows: Bool) -> Result<stat, Errno> {
        let place = Place(path: path, followsLinks: follows)
        if let seen = known[place] { return seen }
        var now = stat()
        let failed = (follows ? stat(path, &now) : lstat(path, &now)) != 0
        let result: Result<stat, Errno> = failed ? .failure(Errno(rawValue: errno)) : .success(now)
        known[place] = result
        return result
    }
}
