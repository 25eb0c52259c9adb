import CPlatform
import Glibc

/// The inotify and fanotify instances of a tree: made by a task, as the kernel counts them against its user, and given
/// their watches by us and last, so that nothing that the restore does is an event.
final class NotifyFiles {
    private enum Image {
        case inotify(InotifyImage)
        case fanotify(FanotifyImage)
    }
    private var made: [(id: UInt32, fd: Int32, image: Image)] = []

    deinit { closeAll() }

    /// What stands in the way now: watched files that are gone.
    static func problems(_ tree: TreeImage) -> [RestoreError] {
        var found: [RestoreError] = []
        func check(_ handles: FileHandles, _ body: (FileHandles) throws(RestoreError) -> Void) {
            do throws(RestoreError) { try body(handles) } catch { found.append(error) }
        }
        do throws(Errno) {
            let handles = try FileHandles()
            for file in tree.files {
                switch file.content {
                case .inotify(let image):
                    for watch in image.watches {
                        check(handles) { (handles) throws(RestoreError) in
                            _ = try open(watch.handle, watch.device, watch.inode, handles)
                        }
                    }
                case .fanotify(let image):
                    for mark in image.marks {
                        check(handles) { (handles) throws(RestoreError) in _ = try open(mark, handles) }
                    }
                default: break
                }
            }
        } catch {
            found.append(RestoreError("/proc/self/mountinfo", "cannot be read", errno: error))
        }
        return found
    }

    /// Makes the instances, still without watches, and keeps a descriptor of each.
    func make(_ tasks: TaskFiles) throws(RestoreError) {
        for file in tasks.tree.files {
            switch file.content {
            case .inotify(let image):
                let thread = tasks.maker(of: file.id).leader
                let flags = Int(Int32(bitPattern: image.flags) & O_NONBLOCK | O_CLOEXEC)
                let number = try thread.call("inotify_init1", CP_SYS_inotify_init1, flags)
                try keep(file.id, try tasks.take(number, from: thread), .inotify(image), tasks)
            case .fanotify(let image):
                let thread = tasks.maker(of: file.id).leader
                try keep(file.id, try Self.make(image, tasks, thread), .fanotify(image), tasks)
            default: continue
            }
        }
    }

    private func keep(
        _ id: UInt32, _ file: consuming OwnedFD, _ image: Image, _ tasks: TaskFiles
    ) throws(RestoreError) {
        let number = file.rawValue
        let copy = try RestoreError.about("file \(id)", "cannot be kept") { () throws(Errno) -> Int32 in
            Int32(try systemCall(CP_SYS_fcntl, Int(number), Int(F_DUPFD_CLOEXEC), 0))
        }
        made.append((id, copy, image))
        tasks.files.adopt(id, file)
    }

    /// A task that has given its privilege away since cannot make most groups; then it is ours.
    private static func make(
        _ image: FanotifyImage, _ tasks: TaskFiles, _ thread: StubThread
    ) throws(RestoreError) -> OwnedFD {
        let (flags, events) = (Int(image.groupFlags), Int(image.eventFlags))
        switch try thread.attempt("fanotify_init", CP_SYS_fanotify_init, flags, events) {
        case .success(let number): return try tasks.take(number, from: thread)
        case .failure(let errno):
            guard errno == .perm else {
                throw RestoreError("fanotify group", "cannot be made again", errno: errno)
            }
            return try RestoreError.about("fanotify group", "cannot be made again") {
                () throws(Errno) -> OwnedFD in
                OwnedFD(taking: Int32(try systemCall(CP_SYS_fanotify_init, flags | 1, events)))
            }
        }
    }

    /// Adds all watches. Nothing else may be done for the tree after it.
    func watch() throws(RestoreError) {
        if made.isEmpty { return }
        let handles = try RestoreError.about("/proc/self/mountinfo", "cannot be read") {
            () throws(Errno) -> FileHandles in try FileHandles()
        }
        for file in made {
            switch file.image {
            case .inotify(let image): try add(image, to: file.fd, handles)
            case .fanotify(let image): try add(image, to: file.fd, handles)
            }
        }
        closeAll()
    }

    func closeAll() {
        for file in made { _ = close(file.fd) }
        made = []
    }

    private func add(_ image: InotifyImage, to fd: Int32, _ handles: FileHandles) throws(RestoreError) {
        for watch in image.watches.sorted(by: { $0.number < $1.number }) {
            let file = try Self.open(watch.handle, watch.device, watch.inode, handles)
            let subject = Self.name(watch.handle, watch.inode)
            try RestoreError.about(subject, "cannot be watched again as number \(watch.number)") {
                () throws(Errno) -> Void in
                // Numbers are given in turn, and a freed one is not given again before all others.
                while true {
                    let got = try Self.path(of: file).withUnsafeBufferPointer { (path) throws(Errno) -> Int in
                        try systemCall(
                            CP_SYS_inotify_add_watch, Int(fd), Int(bitPattern: path.baseAddress),
                            Int(watch.mask))
                    }
                    if got == Int(watch.number) { return }
                    if got > Int(watch.number) { throw .exists }
                    try systemCall(CP_SYS_inotify_rm_watch, Int(fd), got)
                }
            }
        }
        try drain(fd)
    }

    private func add(_ image: FanotifyImage, to fd: Int32, _ handles: FileHandles) throws(RestoreError) {
        let (add, onMount, ignoredMask, surviving): (UInt32, UInt32, UInt32, UInt32) = (1, 0x10, 0x20, 0x40)
        let (evictable, ignore): (UInt32, UInt32) = (0x200, 0x400)
        for mark in image.marks {
            let file = try Self.open(mark, handles)
            var base = add
            if case .mount = mark.place { base |= onMount }
            var calls: [(flags: UInt32, mask: UInt32)] = []
            if mark.mask != 0 { calls.append((base | mark.flags & evictable, mark.mask)) }
            if mark.ignoredMask != 0 {
                let how = mark.flags & ignore != 0 ? ignore : ignoredMask
                calls.append((base | how | mark.flags & (surviving | evictable), mark.ignoredMask))
            }
            for call in calls {
                try RestoreError.about("fanotify group", "cannot mark \(Self.name(mark)) again") {
                    () throws(Errno) -> Void in
                    try Self.path(of: file).withUnsafeBufferPointer { (path) throws(Errno) -> Void in
                        try systemCall(
                            CP_SYS_fanotify_mark, Int(fd), Int(call.flags), Int(call.mask), Int(AT_FDCWD),
                            Int(bitPattern: path.baseAddress))
                    }
                }
            }
        }
    }

    /// Takes out what the search for numbers has left: the image has no events.
    private func drain(_ fd: Int32) throws(RestoreError) {
        try RestoreError.about("inotify instance", "cannot be emptied") { () throws(Errno) -> Void in
            var buffer = [UInt8](repeating: 0, count: 1 << 16)
            while true {
                var waiting: Int32 = 0
                try withUnsafeMutablePointer(to: &waiting) { (pointer) throws(Errno) -> Void in
                    try systemCall(CP_SYS_ioctl, Int(fd), Int(FIONREAD), Int(bitPattern: pointer))
                }
                if waiting == 0 { return }
                try buffer.withUnsafeMutableBufferPointer { (buffer) throws(Errno) -> Void in
                    try systemCall(CP_SYS_read, Int(fd), Int(bitPattern: buffer.baseAddress), buffer.count)
                }
            }
        }
    }

    /// A name of an open file for calls that take no descriptor, as a C string.
    private static func path(of file: borrowing OwnedFD) -> [UInt8] {
        Array("/proc/self/fd/\(file.rawValue)".utf8) + [0]
    }

    private static func name(_ handle: FileHandleImage, _ inode: UInt64) -> String {
        handle.path ?? "inode \(inode)"
    }

    private static func name(_ mark: FanotifyImage.Mark) -> String {
        switch mark.place {
        case .inode(let inode, let handle): name(handle, inode)
        case .mount(let id, let path): path ?? "mount \(id)"
        }
    }

    private static func open(
        _ mark: FanotifyImage.Mark, _ handles: FileHandles
    ) throws(RestoreError) -> OwnedFD {
        switch mark.place {
        case .inode(let inode, let handle): return try open(handle, mark.device, inode, handles)
        case .mount(let id, let path):
            guard let path = path ?? handles.mount(Int32(bitPattern: id))?.mountPoint else {
                throw RestoreError("mount \(id)", "is watched by the tree and gone")
            }
            return try RestoreError.about(path, "is a watched mount and cannot be opened") {
                () throws(Errno) in try OwnedFD.open(path, O_PATH)
            }
        }
    }

    /// The very file, or else what its path leads to.
    private static func open(
        _ handle: FileHandleImage, _ device: UInt32, _ inode: UInt64, _ handles: FileHandles
    ) throws(RestoreError) -> OwnedFD {
        do throws(Errno) {
            return try handles.open(device: device, inode: inode, type: handle.type, handle: handle.bytes)
        } catch {
            guard let path = handle.path else {
                throw RestoreError(
                    "inode \(inode) of device \(device >> 20):\(device & 0xf_ffff)",
                    "is watched by the tree and cannot be opened by its handle", errno: error)
            }
            return try RestoreError.about(path, "is watched by the tree and gone") { () throws(Errno) in
                try OwnedFD.open(path, O_PATH | O_NOFOLLOW)
            }
        }
    }
}
