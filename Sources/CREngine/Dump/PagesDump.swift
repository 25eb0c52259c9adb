import CPlatform
import Glibc

/// Copies the memory of frozen processes and shared segments into pages files.
struct PagesDump: ~Copyable {
    private let directory: OwnedFD
    private let pause: PauseClock
    private var nextID: UInt32 = 1
    private(set) var pagesScanned: UInt64 = 0
    private(set) var pagesWritten: UInt64 = 0

    /// The image directory; the descriptor is duplicated.
    init(directory: borrowing OwnedFD, pause: PauseClock) throws(DumpError) {
        self.pause = pause
        do throws(Errno) {
            self.directory = OwnedFD(
                taking: Int32(try systemCall(CP_SYS_fcntl, Int(directory.rawValue), Int(F_DUPFD_CLOEXEC), 3)))
        } catch {
            throw .image("the image directory", error)
        }
    }

    /// Private memory of one process.
    mutating func dump(_ pid: PID, areas: [AreaImage]) throws(DumpError) -> PagemapImage {
        var pagemap = PagemapImage()
        var all: [PageScan.Range] = []
        var scan = try open(pid)
        for area in areas {
            guard let ranges = try ranges(of: area, &scan, pid) else { continue }
            pagesScanned += (area.end - area.start) / UInt64(pageSize)
            for range in ranges {
                all.append(range)
                Self.append(range, area: area, to: &pagemap)
            }
        }
        var writer = try makeWriter(&pagemap)
        let offset = writer.reserve(pages: all.reduce(0) { $0 + $1.pages })
        try PageCopier(pid: pid, ranges: all, offset: offset, pause: pause).copy(to: writer.rawFD)
        pagesWritten += UInt64(writer.size / pageSize)
        try finish(writer)
        return pagemap
    }

    /// A shared segment, read through the kernel's own file for it, so that pages which no task has touched are seen.
    mutating func dumpShared(path: String, size: UInt64) throws(DumpError) -> PagemapImage {
        var pagemap = PagemapImage()
        var writer = try makeWriter(&pagemap)
        do throws(Errno) {
            let file = try OwnedFD.open(path, O_RDONLY)
            var buffer = [UInt8](repeating: 0, count: 1 << 18)
            var position = 0
            while position < Int(size), let start = try Self.seek(file, position, SEEK_DATA),
                start < Int(size)
            {
                let end = min(try Self.seek(file, start, SEEK_HOLE) ?? Int(size), Int(size))
                let first = start / pageSize
                let pages = (end + pageSize - 1) / pageSize - first
                pagemap.extents.append(
                    .init(
                        address: UInt64(first * pageSize), pages: UInt64(pages),
                        flags: PagemapImage.Extent.present))
                try copy(file, from: first * pageSize, pages: pages, &buffer, &writer)
                position = (first + pages) * pageSize
            }
        } catch {
            try pause.check()
            throw .image("shared memory \(path)", error)
        }
        pagesScanned += size / UInt64(pageSize)
        pagesWritten += UInt64(writer.size / pageSize)
        try finish(writer)
        return pagemap
    }

    private func copy(
        _ file: borrowing OwnedFD, from start: Int, pages: Int, _ buffer: inout [UInt8],
        _ writer: inout PagesWriter
    ) throws(Errno) {
        let offset = writer.reserve(pages: pages)
        let descriptor = writer.rawFD
        var done = 0
        while done < pages * pageSize {
            // What stops here is told by `dumpShared`.
            if let deadline = pause.deadline, deadline.hasPassed { throw Errno.timedOut }
            let count = min(buffer.count, pages * pageSize - done)
            let (from, place) = (start + done, offset + done)
            try buffer.withUnsafeMutableBufferPointer { (raw) throws(Errno) -> Void in
                let part = UnsafeMutableRawBufferPointer(
                    rebasing: UnsafeMutableRawBufferPointer(raw)[0..<count])
                let got = try file.readAll(into: part, at: from)
                // The last page of a file may be shorter than a page.
                part[got...].initializeMemory(as: UInt8.self, repeating: 0)
                var written = 0
                while written < count {
                    written += try systemCall(
                        CP_SYS_pwrite64, Int(descriptor),
                        Int(bitPattern: part.baseAddress.map { $0 + written }),
                        count - written, place + written)
                }
            }
            done += count
        }
    }

    private func open(_ pid: PID) throws(DumpError) -> PageScan {
        do throws(Errno) {
            return try PageScan(pid)
        } catch {
            throw .task(pid, "its page map cannot be opened", error)
        }
    }

    /// Nil for areas whose content is elsewhere or is the kernel's.
    private func ranges(of area: AreaImage, _ scan: inout PageScan, _ pid: PID) throws(DumpError) -> [PageScan
        .Range]?
    {
        if area.status.contains(.vdso) { return [PageScan.Range(start: area.start, end: area.end)] }
        let isOurs = area.status.contains(.anonymousPrivate) || area.status.contains(.filePrivate)
        let isKernels = area.status.contains(.vvar) || area.status.contains(.vsyscall)
        if isKernels { return nil }
        do throws(PageScan.Failure) {
            if !isOurs {
                try scan.requireNoGuards(from: area.start, to: area.end)
                return nil
            }
            return try scan.ranges(from: area.start, to: area.end)
        } catch {
            switch error {
            case .kernel(let errno): throw .task(pid, "its page map cannot be read", errno)
            case .guardRegion(let region):
                throw .cannotCarry(
                    "process \(pid): guard region at \(RemoteAddress(region.start)) (MADV_GUARD_INSTALL) is not carried yet"
                )
            }
        }
    }

    /// CRIU marks what a lazy restore may fetch later: anonymous private memory that is not locked.
    private static func append(
        _ range: PageScan.Range, area: AreaImage, to pagemap: inout PagemapImage
    ) {
        let present = PagemapImage.Extent.present
        let mayWait =
            area.flags & UInt32(MAP_ANONYMOUS) != 0 && area.flags & 0x2000 == 0
            && !area.status.contains(.vdso)
        let flags = mayWait ? present | PagemapImage.Extent.lazy : present
        if let last = pagemap.extents.last, last.flags == flags,
            last.address + last.pages * UInt64(pageSize) == range.start
        {
            pagemap.extents[pagemap.extents.count - 1].pages += UInt64(range.pages)
        } else {
            pagemap.extents.append(.init(address: range.start, pages: UInt64(range.pages), flags: flags))
        }
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
