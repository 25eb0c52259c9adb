import CPlatform
import Glibc

/// Areas of one task as `mm-PID.img` has them.
struct AreaAssembler {
    private static let mayWrite = AreaFlags(rawValue: 1 << 5)

    /// Bit number is the number of madvise(2).
    private static let advice: [(flag: AreaFlags, number: UInt64)] = [
        (.random, 1), (.sequential, 2), (.notForked, 10), (.mergeable, 12), (.transparentHuge, 14),
        (.noTransparentHuge, 15), (.notDumped, 16), (.wipedOnFork, 18),
    ]

    private let snapshot: Snapshot
    private let pid: PID

    init(snapshot: Snapshot, pid: PID) {
        self.snapshot = snapshot
        self.pid = pid
    }

    /// All areas in order; files are added to the table as they come.
    func assemble(_ areas: [VMA], files: inout FileImageTable) throws(DumpError) -> [AreaImage] {
        var images: [AreaImage] = []
        for area in areas {
            let image = try assemble(area, &files)
            // The kernel shows the pages of vvar in two areas, CRIU's format has one.
            if image.status.contains(.vvar), let last = images.last, last.status.contains(.vvar),
                last.end == image.start
            {
                images[images.count - 1].end = image.end
            } else {
                images.append(image)
            }
        }
        return images
    }

    private func assemble(_ area: VMA, _ files: inout FileImageTable) throws(DumpError) -> AreaImage {
        guard let status = area.status else {
            throw .cannotCarry(
                "process \(pid): memory at \(RemoteAddress(area.start)) (\(area.name.isEmpty ? "anonymous" : area.name)) is not carried yet"
            )
        }
        var image = AreaImage(
            start: area.start, end: area.end, protection: area.protection, flags: flags(of: area),
            status: status)
        switch area.kind {
        case .file, .zeroDevice:
            guard let id = area.file else { throw unknownFile(area) }
            let file = snapshot[id]
            let range = "\(String(area.start, radix: 16))-\(String(area.end, radix: 16))"
            let link = "/proc/\(pid)/map_files/\(range)"
            image.backing = UInt64(
                try files.id(ofPlain: file.path, facts: file.facts, reach: file.reach, content: link))
            image.offset = area.offset
            image.openMode = openMode(link)
        case .sharedAnonymous:
            guard let id = area.file else { throw unknownFile(area) }
            image.backing = UInt64(try files.id(ofSharedMemory: snapshot[id]))
            image.offset = area.offset
            image.openMode = 2
        case .memfd:
            guard let id = area.file else { throw unknownFile(area) }
            image.backing = UInt64(try files.id(ofSharedMemory: snapshot[id]))
            image.offset = area.offset
            image.openMode = openMode(
                "/proc/\(pid)/map_files/\(String(area.start, radix: 16))-\(String(area.end, radix: 16))")
        case .systemV:
            image.backing = UInt64(snapshot.segment(of: area))
            image.offset = area.offset
            image.openMode = area.flags?.contains(.mayWrite) == true ? 2 : 0
        case .aioRing:
            image.openMode = 2
        case .anonymous, .hugeAnonymous, .heap, .stack, .vdso, .vvar, .vsyscall:
            break
        default:
            throw .cannotCarry(
                "process \(pid): memory at \(RemoteAddress(area.start)) (\(area.kind)) is not carried yet")
        }
        let advice = Self.advice.reduce(UInt64(0)) { bits, row in
            area.flags?.contains(row.flag) == true ? bits | 1 << row.number : bits
        }
        if advice != 0 { image.advice = advice }
        image.isSealed = area.flags?.contains(.sealed) == true
        image.locksOnFault = area.flags?.contains(.lockedOnFault) == true
        return image
    }

    private func flags(of area: VMA) -> UInt32 {
        var flags = UInt32(area.isShared ? MAP_SHARED : MAP_PRIVATE)
        let droppable: UInt32 = 0x8
        if area.flags?.contains(.droppable) == true { flags = droppable }
        if area.file == nil && area.kind != .aioRing || area.kind == .hugeAnonymous {
            flags |= UInt32(MAP_ANONYMOUS)
        }
        if area.flags?.contains(.hugePages) == true {
            flags |= HugeTLB.mapBit
            // Of a shared file with a name CRIU leaves the size to the file.
            if area.kind != .systemV, area.kind != .memfd || !area.isShared {
                flags |= HugeTLB.sizeBits(area.pageSize)
            }
        }
        if area.flags?.contains(.growsDown) == true { flags |= 0x100 }
        if area.flags?.contains(.locked) == true { flags |= 0x2000 }
        if area.flags?.contains(.noReserve) == true { flags |= 0x4000 }
        return flags
    }

    /// 0 read, 1 write, 2 both: the permission bits of the map_files link say how the file was opened.
    private func openMode(_ link: String) -> UInt32 {
        var status = stat()
        guard lstat(link, &status) == 0 else { return 0 }
        switch (status.st_mode & S_IRUSR != 0, status.st_mode & S_IWUSR != 0) {
        case (true, true): return 2
        case (false, true): return 1
        default: return 0
        }
    }

    private func unknownFile(_ area: VMA) -> DumpError {
        .cannotCarry(
            "process \(pid): the file mapped at \(RemoteAddress(area.start)) (\(area.name)) is not known")
    }
}
