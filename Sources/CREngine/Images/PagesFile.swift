import CPlatform
import Glibc

/// `pages-N.img` while it is written: pages one after the other, without a head.
package struct PagesWriter: ~Copyable {
    /// N, for `PagemapImage.pagesID`.
    package let pagesID: UInt32
    /// Bytes claimed by `append` and `reserve` so far.
    package private(set) var size = 0
    /// For writers on other threads, who write with pwrite(2) to what `reserve` gave them.
    package var rawFD: Int32 { fd.rawValue }
    private let fd: OwnedFD

    /// Creates the file, or empties one of the same name.
    package init(pagesID: UInt32, in directory: borrowing OwnedFD) throws(ImageError) {
        do throws(Errno) {
            fd = try ImageDirectory.create(ImageName.pages(pagesID), in: directory)
        } catch {
            throw ImageError(file: ImageName.pages(pagesID), "cannot be written", errno: error)
        }
        self.pagesID = pagesID
    }

    /// Claims room for pages that the caller writes itself; returns the file offset of the first.
    package mutating func reserve(pages: Int) -> Int {
        defer { size += pages * pageSize }
        return size
    }

    /// Appends whole pages.
    package mutating func append(_ bytes: UnsafeRawBufferPointer) throws(ImageError) {
        precondition(bytes.count.isMultiple(of: pageSize))
        try write(bytes, at: reserve(pages: bytes.count / pageSize))
    }

    /// Writes bytes at an offset that `reserve` gave; may run on several threads at once.
    package borrowing func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(ImageError) {
        do throws(Errno) {
            try fd.writeAll(bytes, at: offset)
        } catch {
            throw ImageError(
                file: ImageName.pages(pagesID), offset: offset, "cannot be written", errno: error)
        }
    }

    /// Checks that all that was claimed was written, and closes the file.
    package consuming func finish() throws(ImageError) {
        var status = stat()
        guard fstat(fd.rawValue, &status) == 0 else {
            throw ImageError(
                file: ImageName.pages(pagesID), "cannot be examined", errno: Errno(rawValue: Glibc.errno))
        }
        guard Int(status.st_size) == size else {
            throw ImageError(
                file: ImageName.pages(pagesID), "has \(status.st_size) bytes where \(size) were to be written"
            )
        }
    }
}

/// Present pages of one pagemap, and where in its pages file they are.
package struct PagesReader: ~Copyable {
    /// A run of pages with content.
    package struct Run: Equatable, Sendable {
        /// Address, or byte offset inside a shared segment.
        package var address: UInt64
        package var pages: UInt64
        /// Byte offset in the pages file.
        package var fileOffset: UInt64
    }

    /// `pages-N.img`; nil when no page is present.
    private let fd: OwnedFD?
    /// Ascending by address.
    package let runs: [Run]
    package let name: String

    /// Opens the pages file of a pagemap and checks that it has exactly the size that the pagemap asks for.
    package init(_ pagemap: PagemapImage, in directory: borrowing OwnedFD) throws(ImageError) {
        let name = ImageName.pages(pagemap.pagesID)
        let (runs, size) = try Self.runs(of: pagemap, name: name)
        let fd = try Self.open(name, size: size, in: directory)
        self.name = name
        self.runs = runs
        self.fd = fd
    }

    /// Where present pages are, and the bytes of all of them.
    private static func runs(of pagemap: PagemapImage, name: String) throws(ImageError) -> ([Run], UInt64) {
        var runs: [Run] = []
        var size: UInt64 = 0
        for extent in pagemap.extents {
            if extent.flags & PagemapImage.Extent.parent != 0 {
                throw ImageError(
                    file: name,
                    "pages at \(hexadecimal(extent.address)) are in a parent set; incremental images are not "
                        + "supported yet, dump without a previous set")
            }
            if extent.flags & PagemapImage.Extent.present != 0 {
                runs.append(Run(address: extent.address, pages: extent.pages, fileOffset: size))
                let (sum, overflow) = size.addingReportingOverflow(extent.pages * UInt64(pageSize))
                guard !overflow else { throw ImageError(file: name, "has more pages than a file can hold") }
                size = sum
            } else if extent.flags & PagemapImage.Extent.lazy != 0 {
                throw ImageError(
                    file: name,
                    "pages at \(hexadecimal(extent.address)) were left with a page server; dump without lazy pages"
                )
            }
        }
        return (runs, size)
    }

    private static func open(
        _ name: String, size: UInt64, in directory: borrowing OwnedFD
    ) throws(ImageError) -> OwnedFD? {
        guard let image = try ImageDirectory.openIfPresent(name, in: directory) else {
            guard size == 0 else {
                throw ImageError(file: name, "is missing, so this image set is not complete")
            }
            return nil
        }
        guard image.size == Int(clamping: size) else {
            throw ImageError(file: name, "has \(image.size) bytes and its pagemap asks for \(size)")
        }
        return image.takeFD()
    }

    /// Fills a buffer from an offset of the file; may run on several threads at once.
    package borrowing func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
    ) throws(ImageError) {
        let count: Int
        do throws(Errno) {
            count = try readAll(into: buffer, at: Int(clamping: offset))
        } catch {
            throw ImageError(file: name, offset: Int(clamping: offset), "cannot be read", errno: error)
        }
        guard count == buffer.count else {
            throw ImageError(file: name, offset: Int(clamping: offset), "became shorter while it was read")
        }
    }

    private borrowing func readAll(
        into buffer: UnsafeMutableRawBufferPointer, at offset: Int
    ) throws(Errno) -> Int {
        switch fd {
        case .some(let fd): try fd.readAll(into: buffer, at: offset)
        case .none: 0
        }
    }

    /// The descriptor for preadv(2), sendfile(2) and the like; -1 when no page is present.
    package var rawFD: Int32 {
        switch fd {
        case .some(let fd): fd.rawValue
        case .none: -1
        }
    }
}
