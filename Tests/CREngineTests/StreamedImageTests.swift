import Glibc
import Testing

@testable import CREngine

@Suite struct StreamedImageTests {
    private static func pagemap(_ extents: [PagemapImage.Extent]) -> PagemapImage {
        var pagemap = PagemapImage()
        pagemap.pagesID = 5
        pagemap.extents = extents
        return pagemap
    }

    private static func write(_ pages: [UInt8], in directory: borrowing OwnedFD) throws {
        var writer = try PagesWriter(pagesID: 5, in: directory)
        for fill in pages {
            let page = [UInt8](repeating: fill, count: pageSize)
            try page.withUnsafeBytes { try writer.append($0) }
        }
        try writer.finish()
    }

    @Test func `pages are found where the pagemap says`() throws {
        let directory = try TemporaryDirectory()
        let fd = try directory.open()
        try Self.write([1, 2, 3], in: fd)
        let reader = try PagesReader(
            Self.pagemap([
                PagemapImage.Extent(address: 0x1000, pages: 2, flags: 4),
                PagemapImage.Extent(address: 0x8000, pages: 1, flags: 6),
            ]), named: "pagemap-1.img", in: fd)
        #expect(
            reader.runs == [
                PagesReader.Run(address: 0x1000, pages: 2, fileOffset: 0),
                PagesReader.Run(address: 0x8000, pages: 1, fileOffset: 8192),
            ])
        var page = [UInt8](repeating: 0, count: pageSize)
        try page.withUnsafeMutableBytes { try reader.read(into: $0, at: 8192) }
        #expect(page == [UInt8](repeating: 3, count: pageSize))
    }

    @Test func `reserved pages may be written in any order`() throws {
        let directory = try TemporaryDirectory()
        let fd = try directory.open()
        var writer = try PagesWriter(pagesID: 5, in: fd)
        let first = writer.reserve(pages: 1)
        let second = writer.reserve(pages: 1)
        for (offset, fill) in [(second, 2), (first, 1)] as [(Int, UInt8)] {
            let page = [UInt8](repeating: fill, count: pageSize)
            try page.withUnsafeBytes { try writer.write($0, at: offset) }
        }
        try writer.finish()
        let bytes = try directory.contents("pages-5.img")
        #expect(bytes.count == 8192 && bytes[0] == 1 && bytes[4096] == 2)
    }

    @Test func `a reserved page that was not written is noticed`() throws {
        let directory = try TemporaryDirectory()
        let fd = try directory.open()
        var writer = try PagesWriter(pagesID: 5, in: fd)
        #expect(writer.reserve(pages: 1) == 0)
        do throws(ImageError) {
            try writer.finish()
            Issue.record("a file without its only page passed")
        } catch {
            #expect(error.description == "pages-5.img: has 0 bytes where 4096 were to be written")
        }
    }

    @Test func `a torn pages file is refused before a page is read`() throws {
        let directory = try TemporaryDirectory()
        let fd = try directory.open()
        try Self.write([1], in: fd)
        let pagemap = Self.pagemap([PagemapImage.Extent(address: 0x1000, pages: 2, flags: 4)])
        do throws(ImageError) {
            _ = try PagesReader(pagemap, named: "pagemap-1.img", in: fd)
            Issue.record("a file of one page passed for two")
        } catch {
            #expect(error.description == "pages-5.img: has 4096 bytes and its pagemap asks for 8192")
        }
    }

    /// An image set with one pagemap, each page filled with one byte.
    private static func set(
        _ extents: [(UInt64, UInt64, UInt32)], fill: [UInt8], at path: String
    ) throws -> PagemapImage {
        if access(path, F_OK) != 0 { #expect(mkdir(path, 0o700) == 0) }
        let fd = try OwnedFD.open(path, O_RDONLY | O_DIRECTORY)
        try write(fill, in: fd)
        let map = pagemap(extents.map { .init(address: $0.0, pages: $0.1, flags: $0.2) })
        try map.write(name: "pagemap-1.img", in: fd)
        return map
    }

    @Test func `pages of earlier sets are found through the chain`() throws {
        let directory = try TemporaryDirectory()
        let (base, middle, top) = (directory.path + "/a", directory.path + "/b", directory.path + "/c")
        _ = try Self.set([(0x1000, 4, 4)], fill: [1, 2, 3, 4], at: base)
        _ = try Self.set([(0x1000, 1, 1), (0x2000, 1, 6), (0x3000, 2, 1)], fill: [5], at: middle)
        let map = try Self.set([(0x2000, 2, 1), (0x9000, 1, 4)], fill: [6], at: top)
        let fd = try OwnedFD.open(top, O_RDONLY | O_DIRECTORY)
        #expect(symlink("../a", middle + "/parent") == 0)
        #expect(symlink(middle, top + "/parent") == 0)
        let reader = try PagesReader(map, named: "pagemap-1.img", in: fd)
        #expect(
            reader.runs == [
                .init(address: 0x2000, pages: 1, fileOffset: 0, layer: 1),
                .init(address: 0x3000, pages: 1, fileOffset: 8192, layer: 2),
                .init(address: 0x9000, pages: 1, fileOffset: 0, layer: 0),
            ])
        var page = [UInt8](repeating: 0, count: pageSize)
        try page.withUnsafeMutableBytes { try reader.read(into: $0, at: 8192, layer: 2) }
        #expect(page == [UInt8](repeating: 3, count: pageSize))
    }

    @Test func `a chain that lacks a set, a page or an end is refused by name`() throws {
        let directory = try TemporaryDirectory()
        let (base, top) = (directory.path + "/a", directory.path + "/b")
        let map = try Self.set([(0x1000, 2, 1)], fill: [], at: top)
        let fd = try OwnedFD.open(top, O_RDONLY | O_DIRECTORY)
        func refusal() -> String {
            do throws(ImageError) {
                _ = try PagesReader(map, named: "pagemap-1.img", in: fd)
                return "none"
            } catch {
                return error.description
            }
        }
        #expect(refusal().hasPrefix("parent: leads to the image set that this one continues"))
        #expect(symlink("../a", top + "/parent") == 0)
        _ = try Self.set([(0x1000, 1, 4)], fill: [1], at: base)
        #expect(
            refusal().hasPrefix("pagemap-1.img: has pages at 0x2000 in its parent set, where they are not"))
        #expect(unlink(top + "/parent") == 0 && symlink(".", top + "/parent") == 0)
        #expect(refusal().contains("is it a ring?"))
    }

    @Test(arguments: [10, 12287, 12288, 300_001] as [Int])
    func `a deleted file comes back with its holes`(size: Int) throws {
        let directory = try TemporaryDirectory()
        let fd = try directory.open()
        let source = try OwnedFD.openat(fd.rawValue, "source", O_RDWR | O_CREAT, mode: 0o600)
        #expect(ftruncate(source.rawValue, size) == 0)
        let content: [UInt8] = (0..<9).map { $0 + 1 }
        #expect(pwrite(source.rawValue, content, content.count, size - 10) == content.count)
        let ghost = GhostImage(number: 255, uid: 0, gid: 0, mode: 0o100600, size: UInt64(size))
        try GhostWriter.write(ghost, contentFD: source.rawValue, to: fd)
        let stored = try directory.contents("ghost-file-ff.img").count
        if size >= 12288 { #expect(stored < 10_000) }

        let target = try OwnedFD.openat(fd.rawValue, "target", O_RDWR | O_CREAT, mode: 0o600)
        try GhostReader.copyContent(of: ghost, from: fd, to: target)
        #expect(try directory.contents("target") == (try directory.contents("source")))
        if size > 100_000 {
            #expect(lseek(target.rawValue, 0, SEEK_DATA) > 0, "the hole at the start was filled")
        }
    }

    @Test func `floating point state keeps what is in use and nothing of what this CPU lacks`() throws {
        let directory = try TemporaryDirectory()
        let fd = try directory.open()
        // AMX tiles, which the format cannot hold.
        var tree = RichTree.make()
        tree.tasks[0].threads[0].xsave[512 + 2] |= 1 << 2
        do throws(ImageError) {
            try ImageSet.write(tree, to: fd)
            Issue.record("a component without a place in the format passed")
        } catch {
            #expect(
                error.description
                    == "core-100.img: the image format has no place for XSAVE component 18, which is in use")
        }
    }
}
