// Checks that what one image file names is there in another.

extension ImageSet {
    static func checkReferences(in tree: TreeImage) throws(ImageError) {
        let files = Dictionary(tree.files.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        for task in tree.tasks {
            if let fs = task.fs {
                for id in [fs.cwdFile, fs.rootFile] where files[id] == nil {
                    throw missing(id, named: ImageName.filesystem(task.pid))
                }
            }
            if let memory = task.memory {
                guard files[memory.exeFile] != nil else {
                    throw missing(memory.exeFile, named: ImageName.memory(task.pid))
                }
                let fileBacked: AreaStatus = [.filePrivate, .fileShared]
                for area in memory.areas where !area.status.isDisjoint(with: fileBacked) {
                    guard let id = UInt32(exactly: area.backing), files[id] != nil else {
                        throw missing(area.backing, named: ImageName.memory(task.pid))
                    }
                }
            }
            for thread in task.threads {
                if let filter = thread.seccompFilter, filter >= tree.seccompFilters.count {
                    throw ImageError(
                        file: ImageName.core(thread.tid.rawValue),
                        "names seccomp filter \(filter), which is not in \(ImageName.seccomp)")
                }
            }
        }
        for row in tree.systemV.adjustments {
            guard let set = tree.systemV.semaphores.first(where: { $0.object.id == row.set }),
                row.semaphore < set.values.count, (-32768...32767).contains(row.value),
                tree.tasks.contains(where: { $0.pid == row.pid })
            else {
                throw ImageError(
                    file: ImageName.extras,
                    "adjusts semaphore \(row.semaphore) of set \(row.set) for task \(row.pid), which cannot be"
                )
            }
        }
        if !tree.posixQueues.isEmpty, !tree.ownNamespaceKinds.contains(.ipc) {
            throw ImageError(
                file: ImageName.posixQueues(tree.ipcNamespace),
                "is there, and the tree has no ipc namespace of its own")
        }
        for queue in tree.posixQueues {
            try queue.check()
            guard let waiting = queue.notification else { continue }
            let task = tree.tasks.first { $0.pid.rawValue == waiting.pid }
            let numbers = Set(tree.posixQueueFiles(of: queue.number).map(\.id))
            guard task?.descriptors.contains(where: { numbers.contains($0.file) }) == true else {
                throw ImageError(
                    file: ImageName.extras,
                    "message queue \(queue.number) notifies task \(waiting.pid), which has no descriptor of it"
                )
            }
        }
        for segment in tree.systemV.segments {
            guard
                let pages = tree.sharedMemory.first(where: { $0.shmid == UInt64(segment.object.id) })?.pages,
                let last = pages.extents.last
            else { continue }
            guard last.address + last.pages * UInt64(pageSize) < segment.roomInPages + UInt64(pageSize) else {
                throw ImageError(
                    file: ImageName.sharedPagemap(UInt64(segment.object.id)),
                    "has pages after the \(segment.size) bytes of the segment")
            }
        }
        for segment in tree.sharedMemory {
            guard let inode = tree.memfds.first(where: { UInt64($0.shmid) == segment.shmid }),
                let last = segment.pages.extents.last
            else { continue }
            let pages = (inode.size + UInt64(pageSize) - 1) / UInt64(pageSize)
            guard last.address / UInt64(pageSize) + last.pages <= pages else {
                throw ImageError(
                    file: ImageName.sharedPagemap(segment.shmid),
                    "has pages after the \(inode.size) bytes of \"\(inode.name)\"")
            }
        }
        let inodes = Set(tree.memfds.map(\.inodeID))
        for file in tree.files {
            switch file.content {
            case .memfd(let memfd) where !inodes.contains(UInt64(memfd.inodeID)):
                throw ImageError(
                    file: ImageName.files,
                    "file \(file.id) names memfd \(memfd.inodeID), which is not in \(ImageName.memfd)")
            case .processFD(let process) where process.target != -1:
                let isInside = tree.tasks.contains { task in
                    task.pid.rawValue == process.target
                        || task.threads.contains { $0.tid.rawValue == process.target }
                }
                guard isInside else {
                    throw ImageError(
                        file: ImageName.files,
                        "file \(file.id) is of process \(process.target), which is not in the set")
                }
            case .namespaceFD(let namespace):
                guard tree.tasks.contains(where: { namespace.isOf($0) }) else {
                    throw ImageError(
                        file: ImageName.files,
                        "file \(file.id) is of \(namespace.kind.name) namespace \(namespace.namespace), in which no task is"
                    )
                }
            case .inotify(let inotify):
                for watch in inotify.watches where watch.number > InotifyImage.highestNumber {
                    throw ImageError(
                        file: ImageName.files,
                        "file \(file.id) has watch \(watch.number); numbers above \(InotifyImage.highestNumber) are not restored"
                    )
                }
            case .epoll(let epoll):
                for target in epoll.targets {
                    if let id = target.file, files[id] == nil { throw missing(id, named: ImageName.extras) }
                }
            case .terminal(let terminal):
                guard tree.terminals.contains(where: { $0.id == terminal.terminal }) else {
                    throw ImageError(
                        file: ImageName.files,
                        "file \(file.id) names terminal \(terminal.terminal), which is not in \(ImageName.terminalInfo)"
                    )
                }
                if let id = terminal.regularFile, files[id] == nil {
                    throw missing(id, named: ImageName.files)
                }
            case .posixQueue(let queue):
                guard tree.posixQueues.contains(where: { $0.number == queue.queue }) else {
                    throw ImageError(
                        file: ImageName.files,
                        "file \(file.id) names message queue \(queue.queue), which is not in \(ImageName.posixQueues(tree.ipcNamespace))"
                    )
                }
            case .fifo(let fifo):
                if let id = fifo.regularFile, files[id] == nil { throw missing(id, named: ImageName.files) }
            default: break
            }
        }
        for packet in tree.socketPackets {
            for id in [packet.receiver] + packet.rights where files[id] == nil {
                throw missing(id, named: ImageName.socketQueues)
            }
            guard case .unixSocket? = files[packet.receiver]?.content else {
                throw ImageError(
                    file: ImageName.socketQueues,
                    "has a message for file \(packet.receiver), which is no unix socket")
            }
        }
        for lock in tree.fileLocks {
            let owner = tree.tasks.first { $0.pid == lock.pid }
            guard owner?.descriptors.contains(where: { $0.fd == lock.fd }) == true else {
                throw ImageError(
                    file: ImageName.fileLocks,
                    "names fd \(lock.fd) of task \(lock.pid), which is not in the set")
            }
        }
        for remap in tree.remaps {
            if files[remap.file] == nil { throw missing(remap.file, named: ImageName.remap) }
            if remap.kind == .linked, files[remap.target] == nil {
                throw missing(remap.target, named: ImageName.remap)
            }
        }
    }

    private static func missing(_ id: some BinaryInteger, named file: String) -> ImageError {
        ImageError(file: file, "names file \(id), which is not in \(ImageName.files)")
    }
}

extension MemoryImage {
    /// Checks that all pages lie in memory areas; adjacent areas may share an extent.
    func checkPages(name: String) throws(ImageError) {
        let areas = self.areas.filter { !$0.status.contains(.guardRegion) }
        var index = 0
        for extent in pages.extents {
            var address = extent.address
            let end = address + extent.pages * UInt64(pageSize)
            while address < end {
                while index < areas.count, areas[index].end <= address { index += 1 }
                guard index < areas.count, areas[index].start <= address else {
                    throw ImageError(
                        file: name, "has a page at \(hexadecimal(address)), outside of all memory areas")
                }
                address = areas[index].end
            }
        }
    }
}
