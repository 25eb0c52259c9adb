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
