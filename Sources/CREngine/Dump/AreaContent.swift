/// Which pages of each area have content, asked for in ascending order.
///
/// Areas without a gap between them are looked at in one go: a process can have tens of thousands of one page each.
struct AreaContent {
    private let areas: [AreaImage]
    /// Of all areas up to the place `scanned`.
    private var found: [PageScan.Range] = []
    private var next = 0
    private var scanned = 0

    /// Ascending.
    init(_ areas: [AreaImage]) { self.areas = areas }

    /// Nil for areas whose content is elsewhere, is the kernel's, or is better lost. Places must ascend from call to
    /// call.
    mutating func ranges(
        of place: Int, _ scan: inout PageScan, _ pid: PID
    ) throws(DumpError) -> [PageScan.Range]? {
        let area = areas[place]
        if !area.status.isDisjoint(with: [.vdso, .aioRing]) {
            return [PageScan.Range(start: area.start, end: area.end)]
        }
        if area.status.contains(.vvar) || area.status.contains(.vsyscall) { return nil }
        do throws(Errno) {
            if !Self.isStored(area) {
                try scan.findGuards(from: area.start, to: area.end)
                return nil
            }
            if place >= scanned {
                scanned = place + 1
                while scanned < areas.count, areas[scanned].start == areas[scanned - 1].end,
                    Self.isStored(areas[scanned])
                {
                    scanned += 1
                }
                found = try scan.ranges(from: area.start, to: areas[scanned - 1].end)
                next = 0
            }
        } catch {
            throw .task(pid, "its page map cannot be read", error)
        }
        return take(area)
    }

    /// The part of what was found that is in an area.
    private mutating func take(_ area: AreaImage) -> [PageScan.Range] {
        var ranges: [PageScan.Range] = []
        while next < found.count, found[next].start < area.end {
            ranges.append(
                PageScan.Range(
                    start: max(found[next].start, area.start), end: min(found[next].end, area.end)))
            // The rest is the next area's.
            if found[next].end > area.end { break }
            next += 1
        }
        return ranges
    }

    /// What may be dropped is what no image should hold: state of random generators, say.
    private static func isStored(_ area: AreaImage) -> Bool {
        !area.status.isDisjoint(with: [.anonymousPrivate, .filePrivate])
            && area.status.isDisjoint(with: [.vdso, .vvar, .vsyscall, .aioRing]) && !area.isDroppable
    }
}
