import CPlatform

// pagemap-PID.img and pagemap-shmem-ID.img.

extension PagemapImage {
    func write(name: String, in directory: borrowing OwnedFD) throws(ImageError) {
        var file = ImageFileWriter(.pagemap, name: name)
        file.append(
            MessageArena.pack { arena in
                let head = arena.make(pagemap_head__init)
                head.pointee.pages_id = pagesID
                return head
            })
        for extent in extents { file.append(extent.packed()) }
        try file.save(in: directory)
    }

    /// Reads a pagemap to its end. Extents ascend and do not overlap.
    init(_ reader: consuming ImageFileReader) throws(ImageError) {
        guard let head = try reader.next() else {
            throw ImageError(file: reader.name, offset: reader.offset, "has no head")
        }
        self.init()
        pagesID = try head.read(pagemap_head__unpack) { (message) throws(ImageError) -> UInt32 in
            message.pages_id
        }
        var end: UInt64 = 0
        while let entry = try reader.next() {
            let extent = try Extent(entry)
            guard extent.address >= end else {
                throw entry.error("pages at \(hexadecimal(extent.address)) overlap the extent before them")
            }
            end = extent.address + extent.pages * UInt64(pageSize)
            extents.append(extent)
        }
    }
}

extension PagemapImage.Extent {
    fileprivate func packed() -> [UInt8] {
        MessageArena.pack { arena in
            let message = arena.make(pagemap_entry__init)
            message.pointee.vaddr = address
            (message.pointee.has_flags, message.pointee.flags) = (1, flags)
            (message.pointee.has_nr_pages, message.pointee.nr_pages) = (1, pages)
            return message
        }
    }

    fileprivate init(_ entry: ImageEntry) throws(ImageError) {
        self = try entry.read(pagemap_entry__unpack) { (message) throws(ImageError) -> PagemapImage.Extent in
            let pages = given(message.has_nr_pages, message.nr_pages) ?? UInt64(message.compat_nr_pages)
            var flags = given(message.has_flags, message.flags) ?? Self.present
            if message.in_parent != 0 { flags = flags & ~Self.present | Self.parent }
            let known = Self.parent | Self.lazy | Self.present
            guard flags & ~known == 0 else { throw entry.error("page flags \(flags) are not known") }
            guard pages > 0, message.vaddr % UInt64(pageSize) == 0, pages <= UInt64.max / UInt64(pageSize),
                !message.vaddr.addingReportingOverflow(pages * UInt64(pageSize)).overflow
            else {
                throw entry.error("extent of \(pages) pages at \(hexadecimal(message.vaddr)) is not possible")
            }
            return PagemapImage.Extent(address: message.vaddr, pages: pages, flags: flags)
        }
    }
}
