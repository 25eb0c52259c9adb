import Testing

@testable import CREngine

@Suite struct PageFillTests {
    private func area(_ start: UInt64, _ end: UInt64, _ status: AreaStatus, flags: UInt32 = 0x22) -> AreaImage
    {
        AreaImage(start: start, end: end, protection: 3, flags: flags, status: status)
    }

    private func run(_ address: UInt64, pages: UInt64, offset: UInt64 = 0) -> PagesReader.Run {
        PagesReader.Run(address: address, pages: pages, fileOffset: offset)
    }

    @Test func `a run is split at the border of areas`() throws {
        let areas = [
            area(0x1000, 0x3000, [.regular, .anonymousPrivate]),
            area(0x3000, 0x5000, [.regular, .filePrivate], flags: 0x2),
        ]
        let pieces = try PageFill.pieces(of: [run(0x2000, pages: 2)], areas: areas, subject: "t")
        #expect(pieces.map(\.address) == [0x2000, 0x3000])
        #expect(pieces.map(\.offset) == [0, 0x1000])
        #expect(pieces.map(\.count) == [0x1000, 0x1000])
        #expect(pieces.map(\.isAnonymous) == [true, false])
    }

    @Test func `pages of the vdso stay the kernel's, and their bytes are passed over`() throws {
        let areas = [
            area(0x1000, 0x2000, [.regular, .vdso, .anonymousPrivate]),
            area(0x2000, 0x3000, [.regular, .anonymousPrivate]),
        ]
        let pieces = try PageFill.pieces(of: [run(0x1000, pages: 2)], areas: areas, subject: "t")
        #expect(pieces.map(\.address) == [0x2000])
        #expect(pieces.map(\.offset) == [0x1000])
    }

    @Test func `a page outside of every area is refused`() {
        let areas = [area(0x1000, 0x2000, [.regular, .anonymousPrivate])]
        #expect(throws: RestoreError.self) {
            try PageFill.pieces(of: [run(0x1000, pages: 2)], areas: areas, subject: "t")
        }
    }

    @Test func `a private page in a shared file mapping would change the file and is refused`() {
        let areas = [area(0x1000, 0x2000, [.regular, .fileShared], flags: 0x1)]
        #expect(throws: RestoreError.self) {
            try PageFill.pieces(of: [run(0x1000, pages: 1)], areas: areas, subject: "t")
        }
    }

    @Test func `memory that may be dropped takes no userfaultfd`() throws {
        let areas = [area(0x1000, 0x2000, [.regular, .anonymousPrivate], flags: 0x28)]
        let pieces = try PageFill.pieces(of: [run(0x1000, pages: 1)], areas: areas, subject: "t")
        #expect(pieces.map(\.isAnonymous) == [false])
    }
}
