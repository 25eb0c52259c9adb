import CPlatform
import Glibc

/// Builds the address space of one process from its image: vdso in its old place, areas, contents, descriptors of
/// the address space itself.
struct MemoryBuilder {
    let layout: StubLayout
    let vdso: OwnVDSO
    let lender: Lender
    let files: OpenFiles
    let pages: ImagePayload
    let systemV: SystemVObjects
    /// CPUs that we may use.
    let affinity: [UInt64]

    /// Pages written.
    func build(_ process: StubProcess, _ image: MemoryImage) throws(RestoreError) -> UInt64 {
        try placeVDSO(process, image)
        if image.thpDisabled == true {
            try process.leader.call("prctl", CP_SYS_prctl, 41, 1)
        }
        try mapAreas(process.leader, image)
        let count = try fill(process, image)
        try advise(process.leader, image)
        try describe(process.leader, image)
        return count
    }

    /// The areas that take part in building; the vsyscall page is the kernel's own.
    private static func mapped(_ image: MemoryImage) -> [AreaImage] {
        image.areas.filter {
            $0.status.isDisjoint(with: [.vsyscall, .vdso, .vvar, .guardRegion, .aioRing])
        }
    }

    private func placeVDSO(_ process: StubProcess, _ image: MemoryImage) throws(RestoreError) {
        guard let code = image.areas.first(where: { $0.status.contains(.vdso) }),
            let data = image.areas.first(where: { $0.status.contains(.vvar) })
        else {
            throw RestoreError("task \(process.pid)", "has no vdso in its image")
        }
        var nextData = data.start
        for (piece, parked) in zip(vdso.pieces, layout.parking) {
            let now = OwnVDSO.Piece(start: parked, end: parked + piece.size, isCode: piece.isCode)
            try VDSOMove.move(&process.leader, now, to: piece.isCode ? code.start : nextData, vdso: vdso)
            if !piece.isCode { nextData += piece.size }
        }
    }

    private func mapAreas(_ thread: StubThread, _ image: MemoryImage) throws(RestoreError) {
        var byFile: [Int32: [AreaImage]] = [:]
        for area in Self.mapped(image) {
            if area.status.contains(.systemV) {
                try systemV.attach(area, by: thread)
            } else if let ours = try file(behind: area, in: image) {
                byFile[ours, default: []].append(area)
            } else {
                try map(thread, area, fd: -1)
            }
        }
        for (ours, areas) in byFile.sorted(by: { $0.key < $1.key }) {
            try lender.lend(ours, to: thread) { (fd) throws(RestoreError) -> Void in
                for area in areas { try map(thread, area, fd: fd) }
            }
        }
    }

    /// Our descriptor of what an area maps; nil for private anonymous memory.
    private func file(behind area: AreaImage, in image: MemoryImage) throws(RestoreError) -> Int32? {
        if !area.status.isDisjoint(with: [.filePrivate, .fileShared]) {
            guard let id = UInt32(exactly: area.backing) else {
                throw RestoreError("area \(area.name)", "names file \(area.backing), which cannot be an id")
            }
            return try files.mapping(of: id, mode: Int32(bitPattern: area.openMode ?? 0) & O_ACCMODE)
        }
        if area.status.contains(.anonymousShared) {
            let size =
                image.areas.filter { $0.backing == area.backing && $0.status.contains(.anonymousShared) }
                .map { $0.offset + ($0.end - $0.start) }.max() ?? 0
            return try files.segment(area.backing, size: size)
        }
        return nil
    }

    private func map(_ thread: StubThread, _ area: AreaImage, fd: Int) throws(RestoreError) {
        let fixedNoReplace: UInt32 = 0x10_0000
        let kept: UInt32 = 0x3 | 0x100 | 0x4000 | 0x2_0000
        // A droppable mapping has a type of its own in place of MAP_PRIVATE.
        let droppable: UInt32 = area.flags & 0x3 == 0 ? area.flags & 0x8 : 0
        let anonymous: UInt32 = fd < 0 ? 0x20 : 0
        let flags = area.flags & kept | droppable | anonymous | fixedNoReplace
        switch try thread.attempt(
            "mmap", CP_SYS_mmap, Int(area.start), Int(area.end - area.start), Int(area.protection),
            Int(flags),
            fd, fd < 0 ? 0 : Int(area.offset))
        {
        case .success(let address) where address == Int(area.start): return
        case .success:
            throw RestoreError("task \(thread.tid)", "area \(area.name) came out at another address")
        case .failure(.noMemory)
        where area.protection & 2 != 0 && flags & 2 != 0 && area.end - area.start > Self.part:
            try mapInParts(thread, area, flags: flags, fd: fd)
        case .failure(let errno):
            throw RestoreError("task \(thread.tid)", "area \(area.name) cannot be mapped", errno: errno)
        }
    }

    private static let part: UInt64 = 256 << 20

    /// The kernel refuses a private area that is larger than all memory, and takes one that became writable part by
    /// part, as the old one must have. See overcommit_memory in proc_sys_vm(5).
    private func mapInParts(
        _ thread: StubThread, _ area: AreaImage, flags: UInt32, fd: Int
    ) throws(RestoreError) {
        let mayWrite: UInt32 = 2
        try thread.call(
            "mmap", CP_SYS_mmap, Int(area.start), Int(area.end - area.start),
            Int(area.protection & ~mayWrite), Int(flags), fd, fd < 0 ? 0 : Int(area.offset))
        for start in stride(from: area.start, to: area.end, by: Int(Self.part)) {
            try thread.call(
                "mprotect", CP_SYS_mprotect, Int(start), Int(min(Self.part, area.end - start)),
                Int(area.protection))
        }
    }

    private func fill(_ process: StubProcess, _ image: MemoryImage) throws(RestoreError) -> UInt64 {
        let subject = "memory of task \(process.pid)"
        var count = 0
        try pages.withMapped(image.pages, named: ImageName.pagemap(process.pid)) {
            (runs, sources) throws(RestoreError) -> Void in
            let pieces = try PageFill.pieces(of: runs, areas: image.areas, subject: subject)
            let fill = PageFill(subject: subject, sources: sources, affinity: affinity)
            try fill.run(pieces, areas: image.areas, thread: process.leader)
            count = pieces.reduce(0) { $0 + $1.count } / pageSize
        }
        return UInt64(count)
    }

    /// madvise(2) and mlock(2), after the contents are there.
    private func advise(_ thread: StubThread, _ image: MemoryImage) throws(RestoreError) {
        for area in Self.mapped(image) {
            let length = Int(area.end - area.start)
            for bit in 0..<64 where (area.advice ?? 0) >> UInt64(bit) & 1 == 1 {
                try thread.call("madvise", CP_SYS_madvise, Int(area.start), length, bit)
            }
            if area.flags & 0x2000 != 0 {
                let onFault = 1
                if area.locksOnFault {
                    try thread.call("mlock2", CP_SYS_mlock2, Int(area.start), length, onFault)
                } else {
                    try thread.call("mlock", CP_SYS_mlock, Int(area.start), length)
                }
            }
        }
        for area in image.areas where area.status.contains(.guardRegion) {
            let guardInstall = 102
            try thread.call(
                "madvise", CP_SYS_madvise, Int(area.start), Int(area.end - area.start), guardInstall)
        }
    }

    /// Code, data, heap, stack, argument and environment addresses, the auxiliary vector and the exe link, with
    /// PR_SET_MM_MAP. The stub's own program is unmapped by now, which the kernel demands for the exe link.
    private func describe(_ thread: StubThread, _ image: MemoryImage) throws(RestoreError) {
        let exe = try files.mapping(of: image.exeFile, mode: O_RDONLY)
        let vectorOffset = 256
        let vector = image.auxv.flatMap { word in withUnsafeBytes(of: word) { Array($0) } }
        let vectorAddress = vector.isEmpty ? 0 : try thread.put(vector, at: vectorOffset)
        try lender.lend(exe, to: thread) { (fd) throws(RestoreError) -> Void in
            let map = cp_prctl_mm_map(
                start_code: image.startCode, end_code: image.endCode, start_data: image.startData,
                end_data: image.endData, start_brk: image.startBrk, brk: image.brk,
                start_stack: image.startStack, arg_start: image.argStart, arg_end: image.argEnd,
                env_start: image.envStart, env_end: image.envEnd, auxv: UInt64(vectorAddress),
                auxv_size: UInt32(vector.count), exe_fd: UInt32(fd))
            let address = try thread.put(map)
            try thread.call("prctl", CP_SYS_prctl, 35, 14, address, MemoryLayout<cp_prctl_mm_map>.size, 0)
        }
    }
}

extension AreaImage {
    /// `START-END` as /proc/PID/maps has it.
    var name: String { String(start, radix: 16) + "-" + String(end, radix: 16) }
}
