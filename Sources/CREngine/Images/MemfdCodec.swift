import CPlatform

// memfd.img.

extension MemfdInodeImage {
    func packed() -> [UInt8] {
        MessageArena.pack { arena in
            let message = arena.make(memfd_inode_entry__init)
            message.pointee.name = arena.string(name)
            message.pointee.uid = uid
            message.pointee.gid = gid
            message.pointee.size = size
            message.pointee.shmid = shmid
            message.pointee.seals = seals
            message.pointee.inode_id = inodeID
            if let hugetlbFlag {
                (message.pointee.has_hugetlb_flag, message.pointee.hugetlb_flag) = (1, hugetlbFlag)
            }
            if let mode { (message.pointee.has_mode, message.pointee.mode) = (1, mode) }
            return message
        }
    }

    init(_ entry: ImageEntry) throws(ImageError) {
        self = try entry.read(memfd_inode_entry__unpack) { (message) throws(ImageError) -> MemfdInodeImage in
            guard message.size <= UInt64(Int64.max) else {
                throw entry.error("memfd of \(message.size) bytes is not possible")
            }
            var inode = MemfdInodeImage(
                inodeID: message.inode_id, name: try entry.text(message.name, "name of a memfd"),
                size: message.size, shmid: message.shmid)
            inode.uid = message.uid
            inode.gid = message.gid
            inode.seals = message.seals
            inode.hugetlbFlag = given(message.has_hugetlb_flag, message.hugetlb_flag)
            inode.mode = given(message.has_mode, message.mode)
            return inode
        }
    }
}
