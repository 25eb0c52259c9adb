import CPlatform
import Glibc

/// Files of /proc/PID of the tree's own processes. They are there when all threads are, and many of them remember who
/// opened them, so a task that holds one opens it, with its final credentials.
struct FilesOfProcesses {
    /// By id.
    let paths: [UInt32: RegularFileImage]

    init(tree: TreeImage) {
        let ids = Set(tree.tasks.flatMap { [$0.pid.rawValue] + $0.threads.map(\.tid.rawValue) })
        let remapped = Set(tree.remaps.map(\.file))
        var paths: [UInt32: RegularFileImage] = [:]
        for file in tree.files where !remapped.contains(file.id) {
            guard case .regular(let image) = file.content, image.isExternal != true,
                let path = ProcessPath(image.path), ids.contains(path.id)
            else { continue }
            paths[file.id] = image
        }
        self.paths = paths
    }

    /// Opens those that somebody has a descriptor of, or that are on their way in a message.
    func make(_ tasks: TaskFiles) throws(RestoreError) {
        if paths.isEmpty { return }
        let wanted = Set(
            tasks.tree.tasks.flatMap { $0.descriptors.map(\.file) }
                + tasks.tree.socketPackets.flatMap(\.rights))
        for (id, image) in paths.sorted(by: { $0.key < $1.key }) where wanted.contains(id) {
            guard tasks.files.isMadeInTask(id) else { continue }
            let file = try open(image, tasks.maker(of: id), tasks)
            try OpenFiles.seek(file, to: image.position, flags: image.flags, path: image.path)
            Self.forget(file, before: image.position)
            tasks.files.adopt(id, file)
        }
    }

    /// By the task, or by us where it has no right to: it may have opened the file before it gave rights up.
    private func open(
        _ image: RegularFileImage, _ task: StubProcess, _ tasks: TaskFiles
    ) throws(RestoreError) -> OwnedFD {
        let flags = OpenFiles.openFlags(image.flags)
        // Its own root may have another procfs, or none.
        if let fs = task.image.fs, try tasks.files.path(of: fs.rootFile) == "/" {
            let path = try task.leader.put(Array(image.path.utf8) + [0])
            let made = try task.leader.attempt("openat", CP_SYS_openat, Int(AT_FDCWD), path, Int(flags))
            if case .success(let number) = made { return try tasks.take(number, from: task.leader) }
        }
        return try RestoreError.about(image.path, "cannot be opened") { () throws(Errno) in
            try OwnedFD.open(image.path, flags | O_CLOEXEC)
        }
    }

    /// To set the offset made the kernel write the text up to there, as it is now; the next read shall see what is so then.
    /// A read somewhere else lets go of that text, see seq_read_iter in fs/seq_file.c.
    private static func forget(_ file: borrowing OwnedFD, before position: UInt64) {
        if position == 0 { return }
        var bytes: (UInt8, UInt8) = (0, 0)
        let size = position == 1 ? 2 : 1
        // What cannot be read has kept nothing.
        _ = withUnsafeMutableBytes(of: &bytes) { pread(file.rawValue, $0.baseAddress, size, 0) }
    }
}
