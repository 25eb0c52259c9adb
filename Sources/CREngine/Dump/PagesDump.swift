import CPlatform
import Glibc

/// Copies the memory of frozen processes and shared segments into pages files.
struct PagesDump: ~Copyable {
    private let directory: OwnedFD
    private let pause: PauseClock
    private var nextID: UInt32 = 1
    private let tracking: PageTracking
    private(set) var pagesScanned: UInt64 = 0
    /// Guard regions of the process that was dumped last.
    private(set) var guards: [PageScan.Range] = []
    private(set) var pagesInParent: UInt64 = 0
    private(set) var pagesWritten: UInt64 = 0

    /// The image directory; the descriptor is duplicated.
    init(
        directory: borrowing OwnedFD, tracking: PageTracking, pause: PauseClock
    ) throws(DumpError) {
        self.pause = pause
        self.tracking = tracking
        do throws(Errno) {
            self.directory = OwnedFD(
                taking: Int32(try systemCall(CP_SYS_fcntl, Int(directory.rawValue), Int(F_DUPFD_CLOEXEC), 3)))
        } catch {
            throw .image("the image directory", error)
        }
    }

    /// Private memory of one process. `shared` are ranges in which others may have the same pages, ascending.
    mutating func dump(
        _ pid: PID, named name: String, areas: [AreaImage], shared: [Range<UInt64>]
    ) throws(DumpError) -> PagemapImage {
        var scan = try open(pid)
        var pages = ContentPages()
        var content = AreaContent(areas)
        for (place, area) in areas.enumerated() {
            guard let ranges = try content.ranges(of: place, &scan, pid) else { continue }
            pagesScanned += (area.end - area.start) / UInt64(pageSize)
            pages.add(ranges, flags: Self.flags(in: area))
            // What the kernel itself maps is never written.
            if area.status.contains(.vdso) || ranges.isEmpty { continue }
            if area.status.contains(.aioRing) {
                // Written by the kernel, which no watch sees.
                pages.addWritten(ranges)
                continue
            }
            pages.addWritten(try written(pid, area, scan) ?? ranges)
        }
        guards = scan.guards
        var pagemap = PagemapImage()
        var hashes: PageHashes?
        var changed: ContentPages.Changed
        switch (tracking.earlierPages(of: name), tracking.knowsWrites(of: pid)) {
        case (.some(var earlier), true):
            changed = pages.changed(into: &pagemap) { (page, address, written) in
                written ? nil : earlier.number(of: address)
            }
            hashes =
                try copy(pid, changed, shared, &pagemap, hashes: true).map { copied in
                    changed.hashes(copied: copied, earlier: earlier.hashes)
                } ?? nil
            tracking.note(pid, pagemap, "as the kernel noted")
        case (.some(var earlier), false) where earlier.hashes != nil:
            let present = try PageCopier(
                pid: pid, ranges: pages.ranges, shared: shared, pause: pause
            ).hashes()
            changed = pages.changed(into: &pagemap) { (page, address, _) in
                earlier.has(present[page], at: address) ? 0 : nil
            }
            _ = try copy(pid, changed, shared, &pagemap, hashes: false)
            hashes = present
            tracking.note(pid, pagemap, "as their hashes tell")
        default:
            changed = pages.all(into: &pagemap)
            hashes = try copy(pid, changed, shared, &pagemap, hashes: tracking.isOn)
            tracking.note(pid, pagemap, "as the earlier images do not tell")
        }
        pagesInParent += pagemap.pagesInParent
        try keep(hashes, of: name)
        return pagemap
    }

    /// Copies pages into a new pages file; with `hashes`, tells them apart on the way.
    private mutating func copy(
        _ pid: PID, _ changed: ContentPages.Changed, _ shared: [Range<UInt64>],
        _ pagemap: inout PagemapImage, hashes isHashing: Bool
    ) throws(DumpError) -> PageHashes? {
        let copier = PageCopier(pid: pid, ranges: changed.ranges, shared: shared, pause: pause)
        let hashes = isHashing ? PageHashes(count: copier.pages) : nil
        var writer = try makeWriter(&pagemap)
        let offset = writer.reserve(pages: copier.pages)
        try copier.copy(to: writer.rawFD, at: offset, hashes: hashes)
        pagesWritten += UInt64(copier.pages)
        try finish(writer)
        return hashes
    }

    /// Pages of an area that were written since the image set before; nil where nobody knows.
    private func written(
        _ pid: PID, _ area: AreaImage, _ scan: borrowing PageScan
    ) throws(DumpError) -> [PageScan.Range]? {
        guard let tracker = tracking.writes, let watch = tracker.watch(pid) else { return nil }
        try tracker.doubt()
        do throws(Errno) {
            return try scan.writes(from: area.start, to: area.end, watch.protection)
        } catch {
            if error == .noProcess { tracker.drop(pid) }
            return nil
        }
    }

    /// A shared segment, read through the kernel's own file for it, so that pages which no task has touched are seen.
    mutating func dumpShared(path: String, size: UInt64, shmid: UInt64) throws(DumpError) -> PagemapImage {
        let name = ImageName.sharedPagemap(shmid)
        var earlier = tracking.earlierPages(of: name)
        var pagemap = PagemapImage()
        var hashes: [cp_page_hash] = []
        var writer = try makeWriter(&pagemap)
        do throws(Errno) {
            let file = try OwnedFD.open(path, O_RDONLY)
            var buffer = [UInt8](repeating: 0, count: 1 << 18)
            var position = 0
            let hugePage = try HugeTLB.pageSize(of: file.rawValue).map { Int($0) }
            while position < Int(size),
                let data = try Self.nextData(file, position, size: Int(size), hugePage, &buffer)
            {
                let end = data.upperBound
                position = data.lowerBound / pageSize * pageSize
                while position < end {
                    // What stops here is told below.
                    if let deadline = pause.deadline, deadline.hasPassed { throw Errno.timedOut }
                    let pages = min(buffer.count, end - position + pageSize - 1) / pageSize
                    try buffer.withUnsafeMutableBufferPointer { (whole) throws(Errno) -> Void in
                        let part = UnsafeMutableRawBufferPointer(
                            rebasing: UnsafeMutableRawBufferPointer(whole)[0..<pages * pageSize])
                        let got = try file.readAll(into: part, at: position)
                        // The last page of a file may be shorter than a page.
                        part[got...].initializeMemory(as: UInt8.self, repeating: 0)
                        let bytes = UnsafeRawBufferPointer(part)
                        try store(bytes, at: UInt64(position), &earlier, &hashes, &pagemap, &writer)
                    }
                    position += pages * pageSize
                }
            }
        } catch {
            try pause.check()
            throw .image("shared memory \(path)", error)
        }
        pagesScanned += size / UInt64(pageSize)
        pagesWritten += UInt64(writer.size / pageSize)
        pagesInParent += pagemap.pagesInParent
        try finish(writer)
        if tracking.isOn { try keep(PageHashes(hashes), of: name) }
        return pagemap
    }

    /// Writes those of some pages that changed.
    private func store(
        _ bytes: UnsafeRawBufferPointer, at address: UInt64, _ earlier: inout PreviousPages?,
        _ hashes: inout [cp_page_hash], _ pagemap: inout PagemapImage, _ writer: inout PagesWriter
    ) throws(Errno) {
        let pages = bytes.count / pageSize
        guard tracking.isOn else {
            pagemap.append(address, pages: pages, flags: PagemapImage.Extent.present)
            return try Self.write(bytes, writer.rawFD, at: writer.reserve(pages: pages))
        }
        let first = hashes.count
        hashes.append(contentsOf: repeatElement(cp_page_hash(), count: pages))
        hashes.withUnsafeMutableBufferPointer {
            cp_hash_pages(bytes.baseAddress, pageSize, pages, $0.baseAddress.map { $0 + first })
        }
        for page in 0..<pages {
            let place = address + UInt64(page * pageSize)
            let isKnown = earlier?.has(hashes[first + page], at: place) ?? false
            pagemap.append(
                place, pages: 1, flags: isKnown ? PagemapImage.Extent.parent : PagemapImage.Extent.present)
            if isKnown { continue }
            let part = UnsafeRawBufferPointer(rebasing: bytes[page * pageSize..<(page + 1) * pageSize])
            try Self.write(part, writer.rawFD, at: writer.reserve(pages: 1))
        }
    }

    private static func write(
        _ bytes: UnsafeRawBufferPointer, _ descriptor: Int32, at place: Int
    ) throws(Errno) {
        var written = 0
        while written < bytes.count {
            written += try systemCall(
                CP_SYS_pwrite64, Int(descriptor), Int(bitPattern: bytes.baseAddress.map { $0 + written }),
                bytes.count - written, place + written)
        }
    }

    private func keep(_ hashes: PageHashes?, of pagemap: String) throws(DumpError) {
        guard let hashes else { return }
        do throws(ImageError) {
            try hashes.write(name: ImageName.hashes(of: pagemap), in: directory)
        } catch {
            throw .imageFormat("\(error)")
        }
    }

    private func open(_ pid: PID) throws(DumpError) -> PageScan {
        do throws(Errno) {
            return try PageScan(pid)
        } catch {
            throw .task(pid, "its page map cannot be opened", error)
        }
    }

    /// CRIU marks what a lazy restore may fetch later: anonymous private memory that is not locked and of small pages.
    private static func flags(in area: AreaImage) -> UInt32 {
        let present = PagemapImage.Extent.present
        let mayWait =
            area.flags & UInt32(MAP_ANONYMOUS) != 0 && area.flags & 0x2000 == 0
            && !area.status.contains(.vdso) && !area.isHuge
        return mayWait ? present | PagemapImage.Extent.lazy : present
    }

    private mutating func makeWriter(_ pagemap: inout PagemapImage) throws(DumpError) -> PagesWriter {
        pagemap.pagesID = nextID
        nextID += 1
        do throws(ImageError) {
            return try PagesWriter(pagesID: pagemap.pagesID, in: directory)
        } catch {
            throw .imageFormat("\(error)")
        }
    }

    private func finish(_ writer: consuming PagesWriter) throws(DumpError) {
        do throws(ImageError) {
            try writer.finish()
        } catch {
            throw .imageFormat("\(error)")
        }
    }

    /// The next bytes of a file that are no hole; nil behind the last.
    private static func nextData(
        _ file: borrowing OwnedFD, _ position: Int, size: Int, _ hugePage: Int?, _ buffer: inout [UInt8]
    ) throws(Errno) -> Range<Int>? {
        if let hugePage { return try nextHugePage(file, position, page: hugePage, size: size, &buffer) }
        guard let start = try seek(file, position, SEEK_DATA), start < size else { return nil }
        return start..<min(try seek(file, start, SEEK_HOLE) ?? size, size)
    }

    /// The next huge page that is not all zero: hugetlbfs does not tell holes, and a hole that was filled with zeros
    /// would take a page from the pool.
    private static func nextHugePage(
        _ file: borrowing OwnedFD, _ position: Int, page: Int, size: Int, _ buffer: inout [UInt8]
    ) throws(Errno) -> Range<Int>? {
        for start in stride(from: position, to: size, by: page) {
            let end = min(start + page, size)
            for part in stride(from: start, to: end, by: buffer.count) {
                let isZero = try buffer.withUnsafeMutableBufferPointer { (whole) throws(Errno) -> Bool in
                    let bytes = UnsafeMutableRawBufferPointer(
                        rebasing: UnsafeMutableRawBufferPointer(whole)[..<min(whole.count, end - part)])
                    let got = try file.readAll(into: bytes, at: part)
                    guard got > 0, let first = bytes.baseAddress else { return true }
                    return bytes[0] == 0 && memcmp(first, first + 1, got - 1) == 0
                }
                if !isZero { return start..<end }
            }
        }
        return nil
    }

    private static func seek(_ file: borrowing OwnedFD, _ offset: Int, _ whence: Int32) throws(Errno) -> Int?
    {
        do throws(Errno) {
            return try systemCall(CP_SYS_lseek, Int(file.rawValue), offset, Int(whence))
        } catch {
            if error.rawValue == ENXIO { return nil }
            throw error
        }
    }
}
