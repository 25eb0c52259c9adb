/// The files of an image directory and the tree that they describe.
///
/// Not in the model, and streamed by others: page contents (`PagesWriter`, `PagesReader`) and the deleted files
/// (`GhostWriter`, `GhostReader`), which are written before and beside the rest.
package enum ImageSet {
    /// Writes all images except pages and ghosts; the inventory comes last, so a set without one is not complete.
    ///
    /// Files of the same names are replaced. Nothing is flushed to disk; the caller syncs the directory's file
    /// system when the set is to be durable. Throws when a file cannot be written or the tree holds what the format
    /// has no place for.
    package static func write(_ tree: TreeImage, to directory: borrowing OwnedFD) throws(ImageError) {
        try writeTree(tree, to: directory)
        for task in tree.tasks { try writeTask(task, of: tree, to: directory) }
        try writeDescriptors(of: tree, to: directory)
        var files = ImageFileWriter(.files, name: ImageName.files)
        for file in tree.files { files.append(try file.packed()) }
        try files.save(in: directory)
        try writeList(.remap, ImageName.remap, tree.remaps.map { $0.packed() }, to: directory)
        try writePipes(.pipeData, ImageName.pipeData, tree.pipeData, to: directory)
        try writePipes(.fifoData, ImageName.fifoData, tree.fifoData, to: directory)
        try writePackets(tree.socketPackets, to: directory)
        for (inode, stream) in tree.tcpStreams { try stream.write(inode: inode, to: directory) }
        try writeList(.memfd, ImageName.memfd, tree.memfds.map { $0.packed() }, to: directory)
        try writeList(.fileLocks, ImageName.fileLocks, tree.fileLocks.map { $0.packed() }, to: directory)
        try writeList(
            .terminalInfo, ImageName.terminalInfo, tree.terminals.map { $0.packed() }, to: directory)
        try writeList(
            .terminalData, ImageName.terminalData,
            tree.terminals.filter { !$0.unread.isEmpty }.map { $0.packedData() }, to: directory)
        for segment in tree.sharedMemory {
            try segment.pages.write(name: ImageName.sharedPagemap(segment.shmid), in: directory)
        }
        try tree.systemV.write(namespace: tree.ipcNamespace, to: directory)
        try PosixQueueImage.write(tree.posixQueues, namespace: tree.ipcNamespace, to: directory)
        try writeOne(.seccomp, ImageName.seccomp, SeccompCodec.packed(tree.seccompFilters), to: directory)
        if let cgroups = tree.cgroups {
            try writeOne(.cgroup, ImageName.cgroup, cgroups.packed(), to: directory)
        }
        if let clocks = tree.clocks {
            try writeOne(.timeNamespace, ImageName.clocks(tree.timeNamespace), clocks.packed(), to: directory)
        }
        try tree.namespaces.write(tree.tasks[0].ids ?? KernelObjectIDs(), to: directory)
        try ImageExtras(tree).write(to: directory)
        try writeOne(.inventory, ImageName.inventory, tree.inventory.packed(), to: directory)
    }

    private static func writeTree(_ tree: TreeImage, to directory: borrowing OwnedFD) throws(ImageError) {
        guard let root = tree.tasks.first, root.parent.rawValue == 0 else {
            throw ImageError(file: ImageName.pstree, "the tree has no root, or does not begin with it")
        }
        try writeList(.pstree, ImageName.pstree, tree.tasks.map { TaskRow($0).packed() }, to: directory)
    }

    private static func writeTask(
        _ task: TaskImage, of tree: TreeImage, to directory: borrowing OwnedFD
    ) throws(ImageError) {
        guard task.threads.first?.tid == task.pid.leader else {
            throw ImageError(file: ImageName.pstree, "the first thread of task \(task.pid) is not its leader")
        }
        let codec = CoreCodec(xsave: XSAVECodec(layout: .host()))
        for thread in task.threads {
            let name = ImageName.core(thread.tid.rawValue)
            try writeOne(.core, name, try codec.packed(thread, of: task), to: directory)
        }
        if case .dead = task.state { return }
        guard let ids = task.ids, let memory = task.memory, let fs = task.fs else {
            throw ImageError(
                file: ImageName.core(task.pid.rawValue),
                "task \(task.pid) is alive and its ids, memory or directories were not collected")
        }
        try writeOne(.ids, ImageName.ids(task.pid), ids.packed(), to: directory)
        try writeOne(.memory, ImageName.memory(task.pid), memory.packed(), to: directory)
        try writeOne(.filesystem, ImageName.filesystem(task.pid), fs.packed(), to: directory)
        try memory.pages.write(name: ImageName.pagemap(task.pid), in: directory)
    }

    private static func writeDescriptors(
        of tree: TreeImage, to directory: borrowing OwnedFD
    ) throws(ImageError) {
        let kinds = Dictionary(tree.files.map { ($0.id, $0.kind) }, uniquingKeysWith: { first, _ in first })
        guard kinds.count == tree.files.count else {
            throw ImageError(file: ImageName.files, "two files have the same id")
        }
        var tables: [UInt32: [DescriptorImage]] = [:]
        for task in tree.tasks {
            guard let ids = task.ids else { continue }
            let name = ImageName.descriptors(ids.files)
            if let other = tables.updateValue(task.descriptors, forKey: ids.files) {
                guard other == task.descriptors else {
                    throw ImageError(file: name, "tasks that share this table have different descriptors")
                }
                continue
            }
            var rows: [[UInt8]] = []
            for descriptor in task.descriptors {
                guard let kind = kinds[descriptor.file] else {
                    throw ImageError(
                        file: name,
                        "descriptor \(descriptor.fd) refers to file \(descriptor.file), which does not exist")
                }
                rows.append(descriptor.packed(kind: kind))
            }
            try writeList(.descriptors, name, rows, to: directory)
        }
    }

    private static func writePipes(
        _ kind: ImageKind, _ name: String, _ rows: [PipeDataImage], to directory: borrowing OwnedFD
    ) throws(ImageError) {
        if rows.isEmpty { return }
        var file = ImageFileWriter(kind, name: name)
        for row in rows {
            file.append(row.packed())
            file.append(payload: row.bytes)
        }
        try file.save(in: directory)
    }

    private static func writePackets(
        _ rows: [SocketPacketImage], to directory: borrowing OwnedFD
    ) throws(ImageError) {
        if rows.isEmpty { return }
        var file = ImageFileWriter(.socketQueues, name: ImageName.socketQueues)
        for row in rows {
            file.append(row.packed())
            file.append(payload: row.bytes)
        }
        try file.save(in: directory)
    }

    /// A list without rows has no file.
    private static func writeList(
        _ kind: ImageKind, _ name: String, _ rows: [[UInt8]], to directory: borrowing OwnedFD
    ) throws(ImageError) {
        if rows.isEmpty { return }
        var file = ImageFileWriter(kind, name: name)
        for row in rows { file.append(row) }
        try file.save(in: directory)
    }

    static func writeOne(
        _ kind: ImageKind, _ name: String, _ message: [UInt8], to directory: borrowing OwnedFD
    ) throws(ImageError) {
        var file = ImageFileWriter(kind, name: name)
        file.append(message)
        try file.save(in: directory)
    }
}
