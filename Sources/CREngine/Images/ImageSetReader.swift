extension ImageSet {
    /// How the files of a set are framed, by its inventory.
    static func framing(of directory: borrowing OwnedFD) throws(ImageError) -> ImageFileReader.Framing {
        var first = try ImageFileReader.open(.inventory, name: ImageName.inventory, in: directory)
        return try InventoryImage.read(try first.single()).1
    }

    /// Reads a whole set, written by us or by CRIU, except page contents and the contents of deleted files.
    ///
    /// Floating point state comes in the layout of this CPU. Throws when a file is missing, damaged, or says what
    /// cannot be.
    package static func read(from directory: borrowing OwnedFD) throws(ImageError) -> TreeImage {
        var first = try ImageFileReader.open(.inventory, name: ImageName.inventory, in: directory)
        let (inventory, framing) = try InventoryImage.read(try first.single())
        let files = try readList(.files, ImageName.files, in: directory, framing) {
            (entry) throws(ImageError) -> FileImage in try FileImage(entry)
        }
        let kinds = Dictionary(files.map { ($0.id, $0.kind) }, uniquingKeysWith: { first, _ in first })
        guard kinds.count == files.count else {
            throw ImageError(file: ImageName.files, "is missing rows or has two files with the same id")
        }
        let tasks = try readTasks(kinds: kinds, in: directory, framing)
        var tree = TreeImage(inventory: inventory, tasks: tasks, files: files)
        tree.remaps = try readList(.remap, ImageName.remap, in: directory, framing) {
            (entry) throws(ImageError) -> RemapImage in try RemapImage(entry)
        }
        for remap in tree.remaps where remap.kind == .ghost {
            if tree.ghosts.contains(where: { $0.number == remap.target }) { continue }
            tree.ghosts.append(try GhostReader.head(number: remap.target, in: directory, framing))
        }
        if let reader = try ImageFileReader.openIfPresent(
            .pipeData, name: ImageName.pipeData, in: directory, framing: framing)
        {
            tree.pipeData = try PipeDataImage.readAll(reader)
        }
        if let reader = try ImageFileReader.openIfPresent(
            .fifoData, name: ImageName.fifoData, in: directory, framing: framing)
        {
            tree.fifoData = try PipeDataImage.readAll(reader)
        }
        if let reader = try ImageFileReader.openIfPresent(
            .socketQueues, name: ImageName.socketQueues, in: directory, framing: framing)
        {
            tree.socketPackets = try SocketPacketImage.readAll(reader)
        }
        for file in tree.files {
            guard case .inetSocket(let socket) = file.content, socket.isConnection else { continue }
            if let reader = try ImageFileReader.openIfPresent(
                .tcpStream, name: ImageName.tcpStream(socket.inode), in: directory, framing: framing)
            {
                tree.tcpStreams[socket.inode] = try TCPStreamImage(reader)
            }
        }
        tree.memfds = try readList(.memfd, ImageName.memfd, in: directory, framing) {
            (entry) throws(ImageError) -> MemfdInodeImage in try MemfdInodeImage(entry)
        }
        tree.fileLocks = try readList(.fileLocks, ImageName.fileLocks, in: directory, framing) {
            (entry) throws(ImageError) -> FileLockImage in try FileLockImage(entry)
        }
        tree.terminals = try readTerminals(in: directory, framing)
        tree.systemV = try SystemVImage.read(namespace: tree.ipcNamespace, in: directory, framing)
        tree.posixQueues = try PosixQueueImage.read(namespace: tree.ipcNamespace, in: directory, framing)
        tree.sharedMemory = try readSharedMemory(of: tree, in: directory, framing)
        tree.seccompFilters =
            try readOptional(.seccomp, ImageName.seccomp, in: directory, framing) {
                (entry) throws(ImageError) -> [SeccompFilterImage] in try SeccompCodec.read(entry)
            } ?? []
        tree.cgroups = try readOptional(.cgroup, ImageName.cgroup, in: directory, framing) {
            (entry) throws(ImageError) -> CgroupImage in try CgroupImage(entry)
        }
        tree.clocks = try readOptional(
            .timeNamespace, ImageName.clocks(tree.timeNamespace), in: directory, framing
        ) { (entry) throws(ImageError) -> ClockImage in try ClockImage(entry) }
        tree.namespaces = try NamespacesImage.read(
            tree.ownNamespaceKinds, tree.tasks[0].ids ?? KernelObjectIDs(), in: directory, framing)
        try tree.namespaces.readNested(of: tree, in: directory, framing)
        try ImageExtras.read(from: directory)?.apply(to: &tree)
        try checkReferences(in: tree)
        return tree
    }

    private static func readTasks(
        kinds: [UInt32: UInt32], in directory: borrowing OwnedFD, _ framing: ImageFileReader.Framing
    ) throws(ImageError) -> [TaskImage] {
        let rows = try readList(.pstree, ImageName.pstree, in: directory, framing) {
            (entry) throws(ImageError) -> TaskRow in try TaskRow(entry)
        }
        guard let root = rows.first, root.parent.rawValue == 0 else {
            throw ImageError(
                file: ImageName.pstree, "is missing, or does not begin with the root of the tree")
        }
        var tasks: [TaskImage] = []
        var seen: Set<PID> = []
        var threads: Set<TID> = []
        var tables: [UInt32: [DescriptorImage]] = [:]
        for row in rows {
            guard seen.isEmpty || seen.contains(row.parent) else {
                throw ImageError(
                    file: ImageName.pstree,
                    "task \(row.pid) comes before its parent \(row.parent), or has none")
            }
            for tid in row.threads where !threads.insert(tid).inserted {
                throw ImageError(file: ImageName.pstree, "thread \(tid) is there twice")
            }
            seen.insert(row.pid)
            tasks.append(try readTask(row, kinds: kinds, tables: &tables, in: directory, framing))
        }
        return tasks
    }

    private static func readTask(
        _ row: TaskRow, kinds: [UInt32: UInt32], tables: inout [UInt32: [DescriptorImage]],
        in directory: borrowing OwnedFD, _ framing: ImageFileReader.Framing
    ) throws(ImageError) -> TaskImage {
        let codec = CoreCodec(xsave: XSAVECodec(layout: .host()))
        var core = try ImageFileReader.open(
            .core, name: ImageName.core(row.pid.rawValue), in: directory, framing: framing)
        let (leader, process) = try codec.readLeader(try core.single(), pid: row.pid)
        var task = TaskImage(
            pid: row.pid, parent: row.parent, pgid: row.pgid, sid: row.sid, state: process.state,
            threads: [leader])
        if case .dead = process.state { return task }
        task.process = process.process
        for tid in row.threads.dropFirst() {
            var reader = try ImageFileReader.open(
                .core, name: ImageName.core(tid.rawValue), in: directory, framing: framing)
            task.threads.append(
                try codec.readThread(try reader.single(), tid: tid, leaderComm: leader.comm))
        }
        var reader = try ImageFileReader.open(
            .ids, name: ImageName.ids(row.pid), in: directory, framing: framing)
        let ids = try KernelObjectIDs(try reader.single())
        task.ids = ids
        reader = try ImageFileReader.open(
            .memory, name: ImageName.memory(row.pid), in: directory, framing: framing)
        var memory = try MemoryImage(try reader.single())
        memory.pages = try PagemapImage(
            try ImageFileReader.open(
                .pagemap, name: ImageName.pagemap(row.pid), in: directory, framing: framing))
        try memory.checkPages(name: ImageName.pagemap(row.pid))
        task.memory = memory
        reader = try ImageFileReader.open(
            .filesystem, name: ImageName.filesystem(row.pid), in: directory, framing: framing)
        task.fs = try FilesystemImage(try reader.single())
        if tables[ids.files] == nil {
            tables[ids.files] = try readList(
                .descriptors, ImageName.descriptors(ids.files), in: directory, framing
            ) { (entry) throws(ImageError) -> DescriptorImage in
                try DescriptorImage(entry, kinds: kinds)
            }
        }
        task.descriptors = tables[ids.files] ?? []
        return task
    }

    /// Sides of terminals with what they had not read.
    private static func readTerminals(
        in directory: borrowing OwnedFD, _ framing: ImageFileReader.Framing
    ) throws(ImageError) -> [TerminalImage] {
        var terminals = try readList(.terminalInfo, ImageName.terminalInfo, in: directory, framing) {
            (entry) throws(ImageError) -> TerminalImage in try TerminalImage(entry)
        }
        let rows = try readList(.terminalData, ImageName.terminalData, in: directory, framing) {
            (entry) throws(ImageError) -> (id: UInt32, bytes: [UInt8]) in try TerminalImage.data(entry)
        }
        for row in rows {
            guard let place = terminals.firstIndex(where: { $0.id == row.id }) else {
                throw ImageError(
                    file: ImageName.terminalData,
                    "names terminal \(row.id), which is not in \(ImageName.terminalInfo)")
            }
            terminals[place].unread += row.bytes
        }
        return terminals
    }

    /// Pagemaps of memfds, then those of other shared memory; a segment without one is all zero.
    private static func readSharedMemory(
        of tree: TreeImage, in directory: borrowing OwnedFD, _ framing: ImageFileReader.Framing
    ) throws(ImageError) -> [SharedMemoryImage] {
        var ids = tree.memfds.map { UInt64($0.shmid) }
        ids += tree.systemV.segments.filter { $0.bytes == nil }.map { UInt64($0.object.id) }
        for task in tree.tasks {
            for area in task.memory?.areas ?? [] where area.status.contains(.anonymousShared) {
                ids.append(area.backing)
            }
        }
        var seen: Set<UInt64> = []
        var segments: [SharedMemoryImage] = []
        for id in ids where seen.insert(id).inserted {
            let reader = try ImageFileReader.openIfPresent(
                .pagemap, name: ImageName.sharedPagemap(id), in: directory, framing: framing)
            if let reader {
                segments.append(SharedMemoryImage(shmid: id, pages: try PagemapImage(reader)))
            }
        }
        return segments
    }

    /// All rows of a list; none when there is no such file.
    static func readList<Row>(
        _ kind: ImageKind, _ name: String, in directory: borrowing OwnedFD,
        _ framing: ImageFileReader.Framing, _ decode: (ImageEntry) throws(ImageError) -> Row
    ) throws(ImageError) -> [Row] {
        let found = try ImageFileReader.openIfPresent(kind, name: name, in: directory, framing: framing)
        guard var reader = found else { return [] }
        var rows: [Row] = []
        while let entry = try reader.next() { rows.append(try decode(entry)) }
        return rows
    }

    /// The one entry of a file; nil when there is no such file.
    private static func readOptional<Value>(
        _ kind: ImageKind, _ name: String, in directory: borrowing OwnedFD,
        _ framing: ImageFileReader.Framing, _ decode: (ImageEntry) throws(ImageError) -> Value
    ) throws(ImageError) -> Value? {
        let found = try ImageFileReader.openIfPresent(kind, name: name, in: directory, framing: framing)
        guard var reader = found else { return nil }
        return try decode(try reader.single())
    }
}
