import CPlatform
import Glibc

/// Stored pages of one pagemap, and where they are: in its own pages file, or in that of an earlier image set.
///
/// An image set that continues another one has a link `parent` to it, and extents with the flag `parent` for pages that
/// have not changed since. Those are in the pagemap of the same name there, or in turn in the parent's parent.
package struct PagesReader: ~Copyable {
    /// A run of pages with content.
    package struct Run: Equatable, Sendable {
        /// Address, or byte offset inside a shared segment.
        package var address: UInt64
        package var pages: UInt64
        /// Byte offset in the pages file.
        package var fileOffset: UInt64
        /// Which pages file: 0 for that of the set itself, 1 for its parent's and so on.
        package var layer = 0

        /// Exclusive.
        var end: UInt64 { address + pages * UInt64(pageSize) }
    }

    /// Pages files, none opened that no run needs.
    private let layers: [PagesLayer]
    /// Ascending by address.
    package let runs: [Run]

    /// Opens the pages files behind a pagemap and checks that each has exactly the size that its pagemap asks for.
    /// `name` is the pagemap's file.
    package init(
        _ pagemap: PagemapImage, named name: String, in directory: borrowing OwnedFD
    ) throws(ImageError) {
        var chain = PagesChain(name: name)
        runs = try chain.runs(of: pagemap, in: directory)
        layers = chain.layers
    }

    /// Fills a buffer from an offset of the pages file of a layer; may run on several threads at once.
    package borrowing func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64, layer: Int = 0
    ) throws(ImageError) {
        let file = layers[layer]
        let count: Int
        do throws(Errno) {
            count = try file.fd.readAll(into: buffer, at: Int(clamping: offset))
        } catch {
            throw ImageError(file: file.name, offset: Int(clamping: offset), "cannot be read", errno: error)
        }
        guard count == buffer.count else {
            throw ImageError(
                file: file.name, offset: Int(clamping: offset), "became shorter while it was read")
        }
    }

    /// Maps all pages files into our memory.
    borrowing func mapped() throws(ImageError) -> MappedPages {
        var places: [MappedPages.Place] = []
        for layer in layers {
            do throws(Errno) {
                let (read, shared) = (1, 1)
                let start =
                    layer.size == 0
                    ? 0
                    : try systemCall(CP_SYS_mmap, 0, layer.size, read, shared, Int(layer.fd.rawValue), 0)
                places.append(MappedPages.Place(start: UInt(bitPattern: start), size: layer.size))
            } catch {
                MappedPages.unmap(places)
                throw ImageError(file: layer.name, "cannot be mapped", errno: error)
            }
        }
        return MappedPages(runs: runs, places: places)
    }
}

/// The pages files behind a pagemap, mapped into our memory for as long as this lives.
package final class MappedPages: Sendable {
    /// Of one pages file; nothing is mapped where the size is 0.
    struct Place: Sendable {
        var start: UInt
        /// Bytes.
        var size: Int
    }
    let runs: [PagesReader.Run]
    private let places: [Place]
    /// Of all layers.
    let size: Int

    init(runs: [PagesReader.Run], places: [Place]) {
        (self.runs, self.places) = (runs, places)
        size = places.reduce(0) { $0 + $1.size }
    }

    deinit { Self.unmap(places) }

    /// Where the pages file of a layer begins.
    func start(of layer: Int) -> UInt { places[layer].start }

    fileprivate static func unmap(_ places: [Place]) {
        for place in places where place.size > 0 {
            _ = munmap(UnsafeMutableRawPointer(bitPattern: place.start), place.size)
        }
    }
}

/// One pages file of a chain.
private final class PagesLayer: Sendable {
    let name: String
    let fd: OwnedFD
    /// Bytes.
    let size: Int

    init(name: String, fd: consuming OwnedFD, size: Int) {
        self.name = name
        self.fd = fd
        self.size = size
    }
}

/// Follows the links from an image set to the ones before it, for one pagemap.
private struct PagesChain {
    private static let longest = 1000

    let name: String
    private(set) var layers: [PagesLayer] = []

    init(name: String) { self.name = name }

    /// Where all stored pages are, the pages files opened.
    mutating func runs(
        of pagemap: PagemapImage, in directory: borrowing OwnedFD
    ) throws(ImageError) -> [PagesReader.Run] {
        var maps = [pagemap]
        try open(pagemap, in: directory)
        var parent = Self.continues(pagemap) ? try Self.parent(of: directory, depth: 0) : nil
        while let set = parent.take() {
            guard maps.count < Self.longest else {
                throw ImageError(
                    file: ImageName.parent,
                    "leads back through \(Self.longest) image sets and on; is it a ring?")
            }
            let map = try PagemapImage(try ImageFileReader.open(.pagemap, name: name, in: set))
            try open(map, in: set)
            if Self.continues(map) { parent = try Self.parent(of: set, depth: maps.count) }
            maps.append(map)
        }
        var runs: [PagesReader.Run] = []
        for (depth, map) in maps.enumerated().reversed() {
            runs = try resolve(map, depth: depth, earlier: runs)
        }
        return runs
    }

    private static func continues(_ pagemap: PagemapImage) -> Bool {
        pagemap.extents.contains { $0.flags & PagemapImage.Extent.parent != 0 }
    }

    /// The set that one continues which is itself `depth` links away.
    private static func parent(of set: borrowing OwnedFD, depth: Int) throws(ImageError) -> OwnedFD? {
        do throws(Errno) {
            return try OwnedFD.openat(set.rawValue, ImageName.parent, O_RDONLY | O_DIRECTORY)
        } catch {
            throw ImageError(
                file: prefix(depth) + ImageName.parent,
                "leads to the image set that this one continues, and cannot be opened", errno: error)
        }
    }

    /// Runs of one set, with those of the set before it.
    private func resolve(
        _ pagemap: PagemapImage, depth: Int, earlier: [PagesReader.Run]
    ) throws(ImageError) -> [PagesReader.Run] {
        var runs: [PagesReader.Run] = []
        var offset: UInt64 = 0
        var index = 0
        for extent in pagemap.extents {
            if extent.flags & PagemapImage.Extent.present != 0 {
                runs.append(
                    .init(address: extent.address, pages: extent.pages, fileOffset: offset, layer: depth))
                offset += extent.pages * UInt64(pageSize)
            } else if extent.flags & PagemapImage.Extent.parent != 0 {
                try Self.take(extent, from: earlier, at: &index, into: &runs, name: Self.prefix(depth) + name)
            } else if extent.flags & PagemapImage.Extent.lazy != 0 {
                throw ImageError(
                    file: Self.prefix(depth) + ImageName.pages(pagemap.pagesID),
                    "pages at \(hexadecimal(extent.address)) were left with a page server; dump without lazy pages"
                )
            }
        }
        return runs
    }

    /// How a file of the set `depth` links back is called in messages.
    private static func prefix(_ depth: Int) -> String {
        depth < 4 ? String(repeating: "parent/", count: depth) : "(\(depth) × parent)/"
    }

    /// Bytes of the pages file.
    private static func size(of pagemap: PagemapImage, name: String) throws(ImageError) -> UInt64 {
        var size: UInt64 = 0
        for extent in pagemap.extents where extent.flags & PagemapImage.Extent.present != 0 {
            let (sum, overflow) = size.addingReportingOverflow(extent.pages * UInt64(pageSize))
            guard !overflow, sum <= UInt64(Int.max) else {
                throw ImageError(file: name, "has more pages than a file can hold")
            }
            size = sum
        }
        return size
    }

    /// Adds a layer. A set without a page need not have the file.
    private mutating func open(_ pagemap: PagemapImage, in directory: borrowing OwnedFD) throws(ImageError) {
        let file = ImageName.pages(pagemap.pagesID)
        let title = Self.prefix(layers.count) + file
        let size = try Self.size(of: pagemap, name: title)
        guard let image = try ImageDirectory.openIfPresent(file, in: directory) else {
            guard size == 0 else {
                throw ImageError(file: title, "is missing, so this image set is not complete")
            }
            // Never read from.
            layers.append(PagesLayer(name: title, fd: OwnedFD(taking: -1), size: 0))
            return
        }
        guard image.size == Int(size) else {
            throw ImageError(file: title, "has \(image.size) bytes and its pagemap asks for \(size)")
        }
        layers.append(PagesLayer(name: title, fd: image.takeFD(), size: Int(size)))
    }

    /// The part of the earlier runs that an extent names, without a gap.
    private static func take(
        _ extent: PagemapImage.Extent, from earlier: [PagesReader.Run], at index: inout Int,
        into runs: inout [PagesReader.Run], name: String
    ) throws(ImageError) {
        var address = extent.address
        let end = extent.address + extent.pages * UInt64(pageSize)
        while address < end {
            while index < earlier.count, earlier[index].end <= address { index += 1 }
            guard index < earlier.count, earlier[index].address <= address else {
                throw ImageError(
                    file: name,
                    "has pages at \(hexadecimal(address)) in its parent set, where they are not; is `parent` the right one?"
                )
            }
            let run = earlier[index]
            let part = min(end, run.end) - address
            runs.append(
                .init(
                    address: address, pages: part / UInt64(pageSize),
                    fileOffset: run.fileOffset + (address - run.address), layer: run.layer))
            address += part
        }
    }
}
