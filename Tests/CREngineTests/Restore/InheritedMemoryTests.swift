import Testing

@testable import CREngine

@Suite struct InheritedMemoryTests {
    private func area(
        _ start: UInt64, _ end: UInt64, _ status: AreaStatus = [.regular, .anonymousPrivate],
        flags: UInt32 = 0x22, protection: UInt32 = 3, backing: UInt64 = 0, offset: UInt64 = 0
    ) -> AreaImage {
        var area = AreaImage(start: start, end: end, protection: protection, flags: flags, status: status)
        (area.backing, area.offset) = (backing, offset)
        return area
    }

    private func ranges(_ areas: [AreaImage]) -> [[UInt64]] { areas.map { [$0.start, $0.end] } }

    private func memory(_ areas: [AreaImage], pages: [(UInt64, UInt64)]) -> MemoryImage {
        var memory = MemoryImage()
        memory.areas = areas
        memory.pages.extents = pages.map { .init(address: $0.0, pages: $0.1, flags: 4) }
        return memory
    }

    @Test func `a heap that grew on one side is shared where both have it`() {
        let kept = InheritedMemory.kept(
            of: [area(0x1000, 0x9000)], in: [area(0x2000, 0x5000, protection: 1), area(0x6000, 0xa000)])
        #expect(ranges(kept) == [[0x2000, 0x5000], [0x6000, 0x9000]])
        #expect(kept.map(\.protection) == [1, 3])
        #expect(
            ranges(InheritedMemory.without([area(0x1000, 0x9000)], kept)) == [
                [0x1000, 0x2000], [0x5000, 0x6000],
            ])
    }

    @Test func `areas of another kind are not taken for each other`() {
        let file: AreaStatus = [.regular, .filePrivate]
        let inherited = [
            area(0x1000, 0x2000), area(0x2000, 0x4000, file, flags: 2, backing: 7, offset: 0x1000),
            area(0x5000, 0x6000, flags: 0x122), area(0x7000, 0x8000),
        ]
        let own = [
            area(0x1000, 0x2000, [.regular, .anonymousShared], flags: 0x21),
            area(0x3000, 0x4000, file, flags: 2, backing: 7, offset: 0x2000),
            // A stack is taken whole or not at all.
            area(0x4000, 0x6000, flags: 0x122), area(0x7000, 0x8000, flags: 0x4022),
        ]
        #expect(ranges(InheritedMemory.kept(of: inherited, in: own)) == [[0x3000, 0x4000]])
        let moved = [area(0x3000, 0x4000, file, flags: 2, backing: 7, offset: 0x1000)]
        #expect(InheritedMemory.kept(of: inherited, in: moved).isEmpty)
    }

    @Test func `only what both have pages of is handed down`() {
        let areas = [area(0x1000, 0x3000), area(0x4000, 0x6000), area(0x8000, 0x9000)]
        let parent = memory(areas, pages: [(0x1000, 1), (0x5000, 4)])
        let child = memory(areas, pages: [(0x2000, 1), (0x8000, 1)])
        #expect(
            ranges(InheritedMemory.handedDown(parent, to: [child])) == [[0x1000, 0x3000], [0x8000, 0x9000]])
        #expect(InheritedMemory.handedDown(parent, to: []).isEmpty)
    }

    // MARK: Differences

    private func piece(_ address: UInt64, _ count: Int, offset: UInt64 = 0) -> PageFill.Piece {
        PageFill.Piece(address: address, offset: offset, count: count, isAnonymous: true)
    }

    private func run(_ address: UInt64, pages: UInt64, offset: UInt64 = 0) -> PagesReader.Run {
        PagesReader.Run(address: address, pages: pages, fileOffset: offset)
    }

    /// Nothing is mapped there.
    private func base(_ runs: [PagesReader.Run]) -> MappedPages {
        MappedPages(runs: runs, places: [MappedPages.Place(start: 0x10_0000, size: 0)])
    }

    @Test func `pages are new, to be compared, or to go`() {
        let difference = PageDifference(
            [piece(0x2000, 0x3000), piece(0x8000, 0x1000, offset: 0x3000)],
            base: base([run(0x1000, pages: 2), run(0x4000, pages: 3, offset: 0x2000)]),
            areas: [area(0x1000, 0x6000)])
        #expect(difference.pieces.map(\.address) == [0x2000, 0x3000, 0x4000, 0x8000])
        #expect(difference.pieces.map(\.count) == [0x1000, 0x1000, 0x1000, 0x1000])
        #expect(difference.pieces.map(\.offset) == [0, 0x1000, 0x2000, 0x3000])
        #expect(difference.pieces.map(\.base) == [0x10_1000, 0, 0x10_2000, 0])
        // Behind 0x6000 nothing was inherited.
        #expect(difference.dropped == [0x1000..<0x2000, 0x5000..<0x6000])
    }

    @Test func `any two sets of pages come out as the second`() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<500 {
            func random() -> [Bool] { (0..<24).map { _ in Bool.random(using: &generator) } }
            let (there, wanted) = (random(), random())
            func runs(_ pages: [Bool]) -> [PagesReader.Run] {
                var result: [PagesReader.Run] = []
                var offset: UInt64 = 0
                for (number, isThere) in pages.enumerated() where isThere {
                    result.append(run(UInt64(number) << 12, pages: 1, offset: offset))
                    offset += 0x1000
                }
                return result
            }
            let pieces = runs(wanted).map { piece($0.address, 0x1000, offset: $0.fileOffset) }
            let difference = PageDifference(
                pieces, base: base(runs(there)),
                areas: [area(0, 0xc000), area(0xc000, 24 << 12)])
            var after = there
            for range in difference.dropped {
                for address in stride(from: range.lowerBound, to: range.upperBound, by: 0x1000) {
                    #expect(after[Int(address >> 12)])
                    after[Int(address >> 12)] = false
                }
            }
            for piece in difference.pieces {
                let number = Int(piece.address >> 12)
                #expect(after[number] == (piece.base != 0))
                after[number] = true
            }
            #expect(after == wanted)
        }
    }
}
