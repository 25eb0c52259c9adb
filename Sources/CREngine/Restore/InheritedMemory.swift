/// What private memory a child can have from its parent, so that pages which both have alike are shared copy-on-write as
/// they were.
///
/// Only fork(2) makes shared pages. So a parent that has children with the same pages gets those areas filled before it
/// makes them, and a child keeps what it inherited and fills in the difference. Pages that are alike by chance are
/// shared as well, which nobody can tell.
enum InheritedMemory {
    /// Areas of a parent that are to be filled before its children are made: those of which a child has pages, too.
    static func handedDown(_ parent: MemoryImage, to children: [MemoryImage]) -> [AreaImage] {
        parent.areas.filter { area in
            isHeritable(area)
                && children.contains { child in
                    child.areas.contains { other in
                        guard let common = common(area, other) else { return false }
                        return stores(parent.pages, common) && stores(child.pages, common)
                    }
                }
        }
    }

    /// What of inherited areas is an area of the child's own, with the child's protection; ascending.
    static func kept(of inherited: [AreaImage], in areas: [AreaImage]) -> [AreaImage] {
        var kept: [AreaImage] = []
        var first = 0
        for area in areas {
            while first < inherited.count, inherited[first].end <= area.start { first += 1 }
            for other in inherited[first...] {
                if other.start >= area.end { break }
                if let part = common(other, area) { kept.append(part) }
            }
        }
        return kept
    }

    /// The parts of `areas` outside of all `others`; both ascend.
    static func without(_ areas: [AreaImage], _ others: [AreaImage]) -> [AreaImage] {
        var rest: [AreaImage] = []
        var first = 0
        for area in areas {
            while first < others.count, others[first].end <= area.start { first += 1 }
            var start = area.start
            for other in others[first...] {
                if other.start >= area.end { break }
                if other.start > start { rest.append(area.part(from: start, to: other.start)) }
                start = max(start, min(area.end, other.end))
            }
            if start < area.end { rest.append(area.part(from: start, to: area.end)) }
        }
        return rest
    }

    private static let growsDown: UInt32 = 0x100

    private static func isHeritable(_ area: AreaImage) -> Bool {
        let (type, isPrivate, hugePages): (UInt32, UInt32, UInt32) = (0xf, 2, 0x4_0000)
        let others: AreaStatus = [
            .vsyscall, .vdso, .vvar, .aioRing, .guardRegion, .shadowStack, .systemV, .socket,
            .anonymousShared,
            .fileShared, .memfd,
        ]
        return area.flags & type == isPrivate && area.flags & hugePages == 0
            && area.status.isDisjoint(with: others)
    }

    /// The range that two areas have in common, as an area of the second; nil where they are not of one kind. A stack
    /// is only taken whole, as it grows from its lower end.
    private static func common(_ area: AreaImage, _ other: AreaImage) -> AreaImage? {
        let (start, end) = (max(area.start, other.start), min(area.end, other.end))
        let kindOf: UInt32 = 0x2 | 0x20 | growsDown | 0x4000
        guard start < end, isHeritable(other), area.flags & kindOf == other.flags & kindOf,
            area.status.contains(.filePrivate) == other.status.contains(.filePrivate),
            area.backing == other.backing, area.memoryPolicy == other.memoryPolicy
        else { return nil }
        if area.status.contains(.filePrivate), area.offset &- area.start != other.offset &- other.start {
            return nil
        }
        if area.flags & growsDown != 0, area.start != other.start || area.end != other.end { return nil }
        return other.part(from: start, to: end)
    }

    private static func stores(_ pages: PagemapImage, _ area: AreaImage) -> Bool {
        // The first extent that ends behind the start.
        var (low, high) = (0, pages.extents.count)
        while low < high {
            let middle = (low + high) / 2
            let extent = pages.extents[middle]
            if extent.address + extent.pages * UInt64(pageSize) <= area.start {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return low < pages.extents.count && pages.extents[low].address < area.end
    }
}

extension AreaImage {
    /// A part of the area as an area of its own.
    func part(from start: UInt64, to end: UInt64) -> AreaImage {
        var part = self
        (part.start, part.end) = (start, end)
        if !status.isDisjoint(with: [.filePrivate, .fileShared, .anonymousShared]) {
            part.offset = offset + (start - self.start)
        }
        return part
    }
}

/// Private memory that a process has before it is built.
struct PresentMemory {
    /// With the contents of its own image; ascending.
    var own: [AreaImage] = []
    /// With the contents of somebody else's, whose image `base` is; ascending.
    var inherited: [AreaImage] = []
    var base: (pages: PagemapImage, name: String)?
    /// Pages written so far.
    var filled = 0

    /// What a child of the process has of it.
    func handedDown(by process: TaskImage) -> PresentMemory {
        guard let memory = process.memory, !own.isEmpty else {
            return PresentMemory(inherited: inherited, base: base)
        }
        return PresentMemory(inherited: own, base: (memory.pages, ImageName.pagemap(process.pid)))
    }
}
