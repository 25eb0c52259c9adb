import CPlatform
import Glibc

/// Puts a process's descriptors in place, and its directories.
struct DescriptorBuilder {
    let lender: Lender
    let files: OpenFiles

    /// The copies take the lowest free numbers, so each of them, in ascending order, has a number not above the one that
    /// is due. Then they move, the highest first: no move ever meets a copy that is still to be moved.
    func placeDescriptors(
        _ process: StubProcess, where isWanted: (DescriptorImage) -> Bool
    ) throws(RestoreError) {
        let thread = process.leader
        let due = process.image.descriptors.filter(isWanted).sorted { $0.fd < $1.fd }
        if due.isEmpty { return }
        var ours: [Int32] = []
        for descriptor in due {
            if let terminal = files.needsTask(descriptor.file) {
                try openCurrentTerminal(thread, descriptor.file, terminal)
            }
            ours.append(try files.descriptor(of: descriptor.file))
        }
        let copies = try lender.take(ours, into: thread)
        var moves = CallList()
        for (descriptor, copy) in zip(due, copies).reversed() {
            let closesOnExec = descriptor.flags & 1 != 0
            if copy != Int(descriptor.fd) {
                let flags = closesOnExec ? Int(O_CLOEXEC) : 0
                moves.add("dup3", CP_SYS_dup3, copy, Int(descriptor.fd), flags)
                moves.add("close", CP_SYS_close, copy)
            } else if !closesOnExec {
                moves.add("fcntl", CP_SYS_fcntl, copy, Int(F_SETFD), 0)
            }
        }
        // By the time of the channel signals wait for the task.
        if lender.channel == nil { try moves.run(in: thread) } else { try moves.runSingly(in: thread) }
    }

    /// /dev/tty stands for what the opening task's session has; from the first task on others get the same one.
    private func openCurrentTerminal(
        _ thread: StubThread, _ id: UInt32, _ image: TerminalFileImage
    ) throws(RestoreError) {
        let path = try thread.put(Array("/dev/tty".utf8) + [0])
        let opened = try thread.call(
            "openat", CP_SYS_openat, Int(AT_FDCWD), path, Int(TerminalFiles.openFlags(image.flags)))
        let ours = try RestoreError.about("task \(thread.tid)", "its /dev/tty cannot be taken") {
            () throws(Errno) -> OwnedFD in
            let pidfd = OwnedFD(
                taking: Int32(try systemCall(CP_SYS_pidfd_open, Int(thread.tid.rawValue), 0)))
            return OwnedFD(taking: Int32(try systemCall(CP_SYS_pidfd_getfd, Int(pidfd.rawValue), opened, 0)))
        }
        files.adopt(id, ours)
        try thread.call("close", CP_SYS_close, opened)
    }

    /// Working directory, root and umask.
    func placeDirectories(_ process: StubProcess, _ image: FilesystemImage) throws(RestoreError) {
        let thread = process.leader
        let root = try files.path(of: image.rootFile)
        if root != "/" {
            try lender.lend(try files.mapping(of: image.rootFile, mode: O_PATH), to: thread) {
                (fd) throws(RestoreError) -> Void in
                try thread.call("fchdir", CP_SYS_fchdir, fd)
                try thread.call("chroot", CP_SYS_chroot, try thread.put([0x2e, 0]))
            }
        }
        try lender.lend(try files.mapping(of: image.cwdFile, mode: O_PATH), to: thread) {
            (fd) throws(RestoreError) -> Void in try thread.call("fchdir", CP_SYS_fchdir, fd)
        }
        if let umask = image.umask { try thread.call("umask", CP_SYS_umask, Int(umask)) }
    }

    /// fcntl(2) F_SETOWN and F_SETSIG, made by a task with its final credentials, as the kernel keeps those of the
    /// caller; then O_ASYNC.
    static func setOwner(
        _ thread: StubThread, fd: Int32, _ owner: OwnerImage, flags: UInt32
    ) throws(RestoreError) {
        let setOwnerEx = 15
        let setSignal = 10
        if owner.pid != 0 {
            let address = try thread.put((Int32(owner.kind), Int32(owner.pid)))
            try thread.call("fcntl", CP_SYS_fcntl, Int(fd), setOwnerEx, address)
        }
        if owner.signal != 0 { try thread.call("fcntl", CP_SYS_fcntl, Int(fd), setSignal, Int(owner.signal)) }
        if flags & UInt32(O_ASYNC) != 0 {
            try thread.call("fcntl", CP_SYS_fcntl, Int(fd), Int(F_SETFL), Int(flags & ~UInt32(O_ACCMODE)))
        }
    }
}
