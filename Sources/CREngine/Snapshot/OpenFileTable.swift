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
    private(set) var files: [OpenFile] = []
    private var classes: [Look: KcmpClasses<OpenFileID>] = [:]

    /// The number of this open file. Throws EBADF where the descriptor has been closed meanwhile.
    mutating func id(of file: OpenFile, checksPosition: Bool) throws(Errno) -> OpenFileID {
        let look = Look(
            link: file.link, device: file.facts?.device, inode: file.inode, flags: file.info.flags,
            mount: file.info.mount, position: checksPosition ? file.info.position : 0)
        let next = OpenFileID(rawValue: files.count)
        let id = try classes[look, default: KcmpClasses(.file)].value(file.pid, file.fd) { next }
        if id == next {
            var added = file
            added.id = next
            files.append(added)
        }
        return id
    }
}
