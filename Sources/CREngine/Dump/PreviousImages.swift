import CPlatform
import Glibc

/// The image set that a dump continues.
final class PreviousImages: Sendable {
    /// As given; from the image directory of the dump.
    let path: String
    /// Names the dump that wrote the set.
    let runID: String?
    private let directory: OwnedFD

    /// Opens the set; an error says what is wrong with it. `images` is the directory of the dump.
    init(_ path: String, from images: borrowing OwnedFD) throws(DumpError) {
        self.path = path
        do throws(Errno) {
            directory = try OwnedFD.openat(images.rawValue, path, O_RDONLY | O_DIRECTORY)
        } catch {
            throw .environment(
                "the earlier images at \(path) (from the image directory) cannot be opened: \(error)")
        }
        if Self.identity(directory) == Self.identity(images) {
            throw .environment(
                "\(path) is the image directory itself; a dump cannot continue what it overwrites")
        }
        do throws(ImageError) {
            var file = try ImageFileReader.open(.inventory, name: ImageName.inventory, in: directory)
            runID = try InventoryImage.read(try file.single()).0.runID
        } catch {
            throw .environment("the earlier images at \(path) are no image set to continue: \(error)")
        }
    }

    private static func identity(_ directory: borrowing OwnedFD) -> [UInt64] {
        var status = stat()
        return fstat(directory.rawValue, &status) == 0 ? [UInt64(status.st_dev), UInt64(status.st_ino)] : []
    }

    /// What the set has of one pagemap; nil where it has none of that name.
    func pages(named name: String) throws(ImageError) -> PreviousPages? {
        guard let file = try ImageFileReader.openIfPresent(.pagemap, name: name, in: directory) else {
            return nil
        }
        let extents = try PagemapImage(file).extents.filter {
            $0.flags & (PagemapImage.Extent.present | PagemapImage.Extent.parent) != 0
        }
        let count = extents.reduce(0) { $0 + Int($1.pages) }
        return PreviousPages(
            extents: extents,
            hashes: try PageHashes.read(name: ImageName.hashes(of: name), pages: count, in: directory))
    }
}

/// Pages of one pagemap of an earlier set, for looks at ascending addresses.
struct PreviousPages {
    /// Those with content, ascending.
    private let extents: [PagemapImage.Extent]
    /// In the order of the extents; nil where nobody wrote them down.
    let hashes: PageHashes?
    private var index = 0
    /// Pages before the extent at `index`.
    private var before = 0

    init(extents: [PagemapImage.Extent], hashes: PageHashes?) {
        self.extents = extents
        self.hashes = hashes
    }

    /// The number of the page at an address; nil where the set has none. Addresses must not descend from call to call.
    mutating func number(of address: UInt64) -> Int? {
        let size = UInt64(pageSize)
        while index < extents.count, extents[index].address + extents[index].pages * size <= address {
            before += Int(extents[index].pages)
            index += 1
        }
        guard index < extents.count, extents[index].address <= address else { return nil }
        return before + Int((address - extents[index].address) / size)
    }

    /// Whether the set has this page at this address. Addresses must not descend from call to call.
    mutating func has(_ hash: cp_page_hash, at address: UInt64) -> Bool {
        guard let hashes, let number = number(of: address) else { return false }
        let earlier = hashes[number]
        return earlier.low == hash.low && earlier.high == hash.high
    }
}
