import CPlatform
import Glibc

/// Page contents and deleted files of an image directory.
final class ImagePayload: PageSource, GhostSource {
    private let directory: OwnedFD
    private let chunkSize = 1 << 20
    private var last: (name: String, pages: MappedPages)?

    init(directory: consuming OwnedFD) { self.directory = directory }

    /// Lets so many descriptors be open without a wait; see `DescriptorTable`.
    func makeRoom(for count: Int) { DescriptorTable.makeRoom(for: count, copying: directory) }

    /// A file of the directory; nil where it is not there.
    func open(_ name: String) throws(ImageError) -> OwnedFD? {
        do throws(Errno) {
            return try OwnedFD.openat(directory.rawValue, name, O_RDONLY)
        } catch {
            if error == .noEntry { return nil }
            throw ImageError(file: name, "cannot be opened", errno: error)
        }
    }

    /// Throws when the pages file of a map is missing or has another size than the map asks for.
    func check(_ pagemap: PagemapImage, named name: String) throws(RestoreError) {
        _ = try reader(of: pagemap, named: name)
    }

    private func reader(
        of pagemap: PagemapImage, named name: String
    ) throws(RestoreError) -> PagesReader {
        do throws(ImageError) {
            return try PagesReader(pagemap, named: name, in: directory)
        } catch {
            throw RestoreError(error.file, error.fact, errno: error.errno)
        }
    }

    func forEachRun(
        of pagemap: PagemapImage, named name: String,
        _ body: (UInt64, UnsafeRawBufferPointer) throws(RestoreError) -> Void
    ) throws(RestoreError) {
        let reader = try reader(of: pagemap, named: name)
        var buffer = [UInt8](repeating: 0, count: chunkSize)
        for run in reader.runs {
            let size = run.pages * UInt64(pageSize)
            for done in stride(from: 0, to: size, by: chunkSize) {
                let count = Int(min(UInt64(chunkSize), size - done))
                try buffer.withUnsafeMutableBufferPointer { (whole) throws(RestoreError) -> Void in
                    let part = UnsafeMutableRawBufferPointer(
                        rebasing: UnsafeMutableRawBufferPointer(whole)[..<count])
                    do throws(ImageError) {
                        try reader.read(into: part, at: run.fileOffset + done, layer: run.layer)
                    } catch {
                        throw RestoreError(error.file, error.fact, errno: error.errno)
                    }
                    try body(run.address + done, UnsafeRawBufferPointer(part))
                }
            }
        }
    }

    /// The whole pages files behind a map, mapped into our memory; nil without pages.
    func mapped(_ pagemap: PagemapImage, named name: String) throws(RestoreError) -> MappedPages? {
        if let last, last.name == name { return last.pages }
        let reader = try reader(of: pagemap, named: name)
        if reader.runs.isEmpty { return nil }
        do throws(ImageError) {
            return try reader.mapped()
        } catch {
            throw RestoreError(error.file, error.fact, errno: error.errno)
        }
    }

    /// The same for a map that is likely to be asked for again, as a parent's is for each of its children.
    func mappedAgain(_ pagemap: PagemapImage, named name: String) throws(RestoreError) -> MappedPages? {
        let pages = try mapped(pagemap, named: name)
        last = pages.map { (name, $0) }
        return pages
    }

    /// Stored bytes of the pages inside a small range of addresses, those that are not stored as zeros; nil when
    /// there is none, or the file cannot be read.
    func bytes(of pagemap: PagemapImage, named name: String, in range: Range<UInt64>) -> [UInt8]? {
        guard let reader = try? PagesReader(pagemap, named: name, in: directory) else { return nil }
        var result = [UInt8](repeating: 0, count: range.count)
        var isStored = false
        for run in reader.runs {
            let start = max(run.address, range.lowerBound)
            let end = min(run.address + run.pages * UInt64(pageSize), range.upperBound)
            guard start < end else { continue }
            let place = Int(start - range.lowerBound)..<Int(end - range.lowerBound)
            let offset = run.fileOffset + (start - run.address)
            let wasRead = result.withUnsafeMutableBytes { bytes in
                let part = UnsafeMutableRawBufferPointer(rebasing: bytes[place])
                return (try? reader.read(into: part, at: offset, layer: run.layer)) != nil
            }
            if !wasRead { return nil }
            isStored = true
        }
        return isStored ? result : nil
    }

    func write(_ ghost: GhostImage, to path: String) throws(RestoreError) {
        let target = try RestoreError.about(path, "cannot be opened") { () throws(Errno) in
            try OwnedFD.open(path, O_WRONLY)
        }
        do throws(ImageError) {
            try GhostReader.copyContent(of: ghost, from: directory, to: target)
        } catch {
            throw RestoreError(error.file, error.fact, errno: error.errno)
        }
    }
}
