import CPlatform
import Glibc

/// `page-hashes-*.bin`: what tells the pages of one pagemap apart from later ones at the same addresses.
///
/// A file of our own beside CRIU's images: 8 bytes `CRPHASH1`, the number of pages, a hash of all that follows, and
/// 16 bytes for each page that the pagemap calls present or in the parent, in its order. A set without it is whole; it
/// is only not to be continued by comparing contents.
final class PageHashes: @unchecked Sendable {
    // Unchecked, as threads write disjoint parts of it while it is filled, and nobody afterwards.
    let count: Int
    private let hashes: UnsafeMutablePointer<cp_page_hash>
    private static let magic: UInt64 = 0x3148_5341_4850_5243
    private static let headSize = 32

    init(count: Int) {
        self.count = count
        hashes = .allocate(capacity: max(count, 1))
        hashes.initialize(repeating: cp_page_hash(), count: max(count, 1))
    }

    init(_ list: [cp_page_hash]) {
        count = list.count
        hashes = .allocate(capacity: max(count, 1))
        hashes.initialize(repeating: cp_page_hash(), count: max(count, 1))
        for (index, hash) in list.enumerated() { hashes[index] = hash }
    }

    deinit { hashes.deallocate() }

    subscript(_ page: Int) -> cp_page_hash {
        precondition(page < count)
        return hashes[page]
    }

    /// Takes in whole pages from `first` on.
    func take(_ bytes: UnsafeRawBufferPointer, at first: Int) {
        precondition(bytes.count.isMultiple(of: pageSize) && first + bytes.count / pageSize <= count)
        cp_hash_pages(bytes.baseAddress, pageSize, bytes.count / pageSize, hashes + first)
    }

    func write(name: String, in directory: borrowing OwnedFD) throws(ImageError) {
        let body = UnsafeRawBufferPointer(start: hashes, count: count * MemoryLayout<cp_page_hash>.size)
        let seal = Self.seal(of: body)
        let head = [Self.magic, UInt64(count), seal.low, seal.high]
        do throws(Errno) {
            let file = try ImageDirectory.create(name, in: directory)
            let bytes = head.flatMap { word in withUnsafeBytes(of: word.littleEndian) { Array($0) } }
            try file.writeAll(bytes)
            try file.writeAll(body)
        } catch {
            throw ImageError(file: name, "cannot be written", errno: error)
        }
    }

    /// The hashes of a pagemap with so many pages; nil where there is no such file.
    static func read(
        name: String, pages: Int, in directory: borrowing OwnedFD
    ) throws(ImageError) -> PageHashes? {
        guard let image = try ImageDirectory.openIfPresent(name, in: directory) else { return nil }
        let size = pages * MemoryLayout<cp_page_hash>.size
        guard image.size == headSize + size else {
            throw ImageError(
                file: name,
                "has \(image.size) bytes where \(pages) pages need \(headSize + size); it is damaged")
        }
        let result = PageHashes(count: pages)
        var head = [UInt64](repeating: 0, count: 4)
        do throws(Errno) {
            let got = try head.withUnsafeMutableBufferPointer { (buffer) throws(Errno) -> Int in
                try image.fd.readAll(into: UnsafeMutableRawBufferPointer(buffer), at: 0)
            }
            let body = UnsafeMutableRawBufferPointer(start: result.hashes, count: size)
            let rest = try image.fd.readAll(into: body, at: headSize)
            let seal = seal(of: UnsafeRawBufferPointer(body))
            if got == headSize, rest == size, head == [magic, UInt64(pages), seal.low, seal.high] {
                return result
            }
        } catch {
            throw ImageError(file: name, "cannot be read", errno: error)
        }
        throw ImageError(file: name, "does not hold what its head says; it is damaged")
    }

    private static func seal(of body: UnsafeRawBufferPointer) -> cp_page_hash {
        var seal = cp_page_hash()
        cp_hash_pages(body.baseAddress, body.count, 1, &seal)
        return seal
    }
}

extension ImageName {
    /// The hashes that belong to a pagemap.
    static func hashes(of pagemap: String) -> String {
        let stem = pagemap.hasSuffix(".img") ? pagemap.dropLast(4) : pagemap[...]
        return "page-hashes-\(stem.hasPrefix("pagemap-") ? stem.dropFirst(8) : stem).bin"
    }
}
