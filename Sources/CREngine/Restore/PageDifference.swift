/// What has to be done to memory that holds one set of pages so that it holds another.
struct PageDifference {
    /// Pieces for pages that are missing, and such as have to be compared first.
    private(set) var pieces: [PageFill.Piece] = []
    /// Ranges whose pages have to go.
    private(set) var dropped: [Range<UInt64>] = []

    /// `wanted` are pages and `base` what is there, both ascending. Only what lies in `areas` is there.
    init(_ wanted: [PageFill.Piece], base: MappedPages, areas: [AreaImage]) {
        var present = Self.clipped(base.runs, areas)[...]
        for piece in wanted {
            let end = piece.address + UInt64(piece.count)
            var address = piece.address
            while address < end {
                drop(&present, until: address)
                guard let run = present.first, run.address < end else {
                    pieces.append(piece.part(from: address, to: end))
                    break
                }
                if run.address > address {
                    pieces.append(piece.part(from: address, to: run.address))
                    address = run.address
                }
                let next = min(end, run.end)
                var part = piece.part(from: address, to: next)
                part.base = base.start(of: run.layer) + UInt(run.fileOffset + (address - run.address))
                pieces.append(part)
                address = next
                present[present.startIndex].cut(before: next)
                if present[present.startIndex].pages == 0 { present.removeFirst() }
            }
        }
        drop(&present, until: .max)
    }

    /// Runs up to an address that no piece takes up.
    private mutating func drop(_ present: inout ArraySlice<PagesReader.Run>, until address: UInt64) {
        while let run = present.first, run.address < address {
            let end = min(run.end, address)
            if let last = dropped.last, last.upperBound == run.address {
                dropped[dropped.count - 1] = last.lowerBound..<end
            } else {
                dropped.append(run.address..<end)
            }
            present[present.startIndex].cut(before: end)
            if present[present.startIndex].pages == 0 { present.removeFirst() }
        }
    }

    private static func clipped(_ runs: [PagesReader.Run], _ areas: [AreaImage]) -> [PagesReader.Run] {
        var result: [PagesReader.Run] = []
        var first = 0
        for run in runs {
            while first < areas.count, areas[first].end <= run.address { first += 1 }
            for area in areas[first...] {
                if area.start >= run.end { break }
                var part = run
                part.cut(before: max(run.address, area.start))
                part.pages = (min(run.end, area.end) - part.address) / UInt64(pageSize)
                result.append(part)
            }
        }
        return result
    }
}

extension PagesReader.Run {
    /// Takes away what lies before an address.
    fileprivate mutating func cut(before start: UInt64) {
        let gone = start - address
        address = start
        fileOffset += gone
        pages -= gone / UInt64(pageSize)
    }
}
