import CPlatform

/// Files that bind to whoever makes them: the kernel notes the credentials of a socket's maker for its peer, and the
/// items of an epoll are numbers of one table. Each is made by a task that holds it; we take a copy of it, and every
/// holder gets it from there at its final number.
struct TaskFiles {
    let tree: TreeImage
    /// All live processes.
    let live: [StubProcess]
    let files: OpenFiles
    let socketNames: SocketNames
    /// The way of descriptors to tasks in their present state.
    let lender: Lender

    /// What is made while the tasks have our rights.
    func makeEarly() throws(RestoreError) {
        try UnixSocketBuilder(tasks: self, names: socketNames).make()
    }

    /// What is made by tasks with credentials of their own, in the order of its needs: sockets first, then what watches
    /// descriptors. Everything is in its place afterwards.
    func make() throws(RestoreError) {
        try place { if case .processFD = $0 { true } else { false } }
        try files.ofProcesses.make(self)
        try place { if case .regular = $0 { true } else { false } }
        try UnixSocketBuilder(tasks: self, names: socketNames).finish()
        try place { if case .unixSocket = $0 { true } else { false } }
        try files.notify.make(self)
        try place { if case .inotify = $0 { true } else if case .fanotify = $0 { true } else { false } }
        let epolls = EpollBuilder(tasks: self)
        try epolls.make()
        try place { if case .epoll = $0 { true } else { false } }
        try epolls.fill()
    }

    /// Whether files of this kind are made here, and not by us beforehand.
    static func makes(_ content: FileImage.Content) -> Bool {
        switch content {
        case .unixSocket, .epoll, .inotify, .fanotify: true
        // By us all the same, but only when all threads are there.
        case .processFD: true
        default: false
        }
    }

    /// The process that makes a file: the first that holds it, or the root for one that nobody holds, as a socket in
    /// flight is.
    func maker(of id: UInt32) -> StubProcess {
        live.first { $0.image.descriptors.contains { $0.file == id } } ?? live[0]
    }

    /// Takes a copy of what a task has just made out of it, and the task's own away.
    func take(_ number: Int, from thread: StubThread) throws(RestoreError) -> OwnedFD {
        let copy = try RestoreError.about("task \(thread.tid)", "a file that it made cannot be taken") {
            () throws(Errno) -> OwnedFD in
            let pidfd = OwnedFD(
                taking: Int32(try systemCall(CP_SYS_pidfd_open, Int(thread.tid.rawValue), 0)))
            return OwnedFD(
                taking: Int32(try systemCall(CP_SYS_pidfd_getfd, Int(pidfd.rawValue), number, 0)))
        }
        try thread.call("close", CP_SYS_close, number)
        return copy
    }

    /// Gives files of some kinds, which are all made, to all who hold them.
    func place(_ isWanted: (FileImage.Content) -> Bool) throws(RestoreError) {
        let wanted = Set(
            tree.files.filter { isWanted($0.content) && files.isMadeInTask($0.id) }.map(\.id))
        let descriptors = DescriptorBuilder(lender: lender, files: files)
        for process in live where !process.sharesDescriptors {
            try descriptors.placeDescriptors(process) { wanted.contains($0.file) }
        }
    }
}
