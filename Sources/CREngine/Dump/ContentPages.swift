import CPlatform

/// The pages of a process that have content of their own, in ascending order, and which of them were written.
struct ContentPages {
    private struct Part {
        var range: PageScan.Range
        /// Of their extent.
        var flags: UInt32
    }

    /// Pages that an image set stores itself.
    struct Changed {
        fileprivate(set) var ranges: [PageScan.Range] = []
        /// Of each page with content the number that it has in the earlier set; nil for one that is stored here.
        fileprivate var earlier: [Int?] = []

        /// What tells all pages apart: those that were copied, and those that an earlier set has. Nil where nobody
        /// wrote these down.
        func hashes(copied: PageHashes, earlier hashes: PageHashes?) -> PageHashes? {
            guard let hashes else { return nil }
            var next = 0
            return PageHashes(
                earlier.map { number in
                    if let number { return hashes[number] }
                    defer { next += 1 }
                    return copied[next]
                })
        }
    }

    private var parts: [Part] = []
    private var written: [PageScan.Range] = []

    var ranges: [PageScan.Range] { parts.map(\.range) }

    /// Adds pages behind all others.
    mutating func add(_ ranges: [PageScan.Range], flags: UInt32) {
        parts += ranges.map { Part(range: $0, flags: flags) }
    }

    /// Adds pages that were written, behind all others; those without content do not matter.
    mutating func addWritten(_ ranges: [PageScan.Range]) { written += ranges }

    /// All pages, as if no earlier set were there.
    func all(into pagemap: inout PagemapImage) -> Changed {
        for part in parts { pagemap.append(part.range.start, pages: part.range.pages, flags: part.flags) }
        return Changed(ranges: ranges)
    }

    /// Gives each page to the pagemap, as its own or its parent's. `earlier` gets its number here, its address and whether
    /// it was written, and answers with its number in the earlier set where that has the same content.
    func changed(
        into pagemap: inout PagemapImage, _ earlier: (Int, UInt64, Bool) -> Int?
    ) -> Changed {
        var changed = Changed()
        changed.earlier.reserveCapacity(parts.reduce(0) { $0 + $1.range.pages })
        var index = 0
        for part in parts {
            for address in stride(from: part.range.start, to: part.range.end, by: pageSize) {
                while index < written.count, written[index].end <= address { index += 1 }
                let isWritten = index < written.count && written[index].start <= address
                let number = earlier(changed.earlier.count, address, isWritten)
                changed.earlier.append(number)
                let flags = number == nil ? part.flags : PagemapImage.Extent.parent
                pagemap.append(address, pages: 1, flags: flags)
                if number != nil { continue }
                if changed.ranges.last?.end == address {
                    changed.ranges[changed.ranges.count - 1].end += UInt64(pageSize)
                } else {
                    changed.ranges.append(PageScan.Range(start: address, end: address + UInt64(pageSize)))
                }
            }
        }
        return changed
    }
}
