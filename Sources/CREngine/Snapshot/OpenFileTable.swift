/// Open files of the tree, each once, however many descriptors of however many tasks refer to it.
///
/// kcmp(2) decides among those that look alike; facts that differ between any two open files keep the number of
/// candidates small.
struct OpenFileTable {
    private struct Look: Hashable {
        var link: String
        var device: DeviceNumber?
        var inode: UInt64
        var flags: UInt32
        var mount: Int32
        /// Zero while the file may move between two looks.
        var position: UInt64
    }
    private var found: [OpenFile] = []
    private var classes: [Look: KcmpClasses<OpenFileID>] = [:]
    /// What an earlier look found, by descriptor.
    private var ranks: [PID: [Int32: Int]] = [:]

    /// `earlier` is a look at the same tree, which tells where to begin.
    init(earlier: Snapshot? = nil) {
        guard let earlier else { return }
        for task in earlier.tasks {
            for descriptor in task.descriptors {
                ranks[task.pid, default: [:]][descriptor.fd] = earlier[descriptor.file].rank
            }
        }
    }

    /// In the order in which they were met, with their ranks.
    var files: [OpenFile] {
        var files = found
        for alike in classes.values {
            for (rank, id) in alike.ordered.enumerated() { files[id.rawValue].rank = rank }
        }
        return files
    }

    /// The number of this open file. Throws EBADF where the descriptor has been closed meanwhile.
    mutating func id(of file: OpenFile, checksPosition: Bool) throws(Errno) -> OpenFileID {
        let look = Look(
            link: file.link, device: file.facts?.device, inode: file.inode, flags: file.info.flags,
            mount: file.info.mount, position: checksPosition ? file.info.position : 0)
        let next = OpenFileID(rawValue: found.count)
        let id = try classes[look, default: KcmpClasses(.file)].value(
            file.pid, file.fd, rank: ranks[file.pid]?[file.fd]
        ) { next }
        if id == next {
            var added = file
            added.id = next
            found.append(added)
        }
        return id
    }
}
