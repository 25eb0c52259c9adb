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
    /// Contents that are still on their way when `build` returns.
    let filling = FillQueue()

    private var rings: AsyncRings {
        AsyncRings(lender: lender, pages: pages, affinity: affinity)
    }

    /// Pages written, some of them when `filling` has finished.
    func build(_ process: StubProcess, _ image: MemoryImage) throws(RestoreError) -> UInt64 {
        try leaveStrange(process, image)
        try placeVDSO(process, image)
        if image.thpDisabled == true {
            try process.leader.call("prctl", CP_SYS_prctl, 41, 1)
        }
        try take(Self.mapped(image), process, image, isLast: !Self.needsContents(image))
        try rings.make(process, image)
        try advise(process.leader, image)
        try describe(process.leader, image)
        return UInt64(process.present.filled)
    }

    /// Areas that children of a process are to share with it.
    func handedDown(by process: StubProcess, to children: [TaskImage]) -> [AreaImage] {
        process.image.memory.map {
            InheritedMemory.handedDown($0, to: children.compactMap(\.memory))
        } ?? []
    }

    /// Fills such areas, before the children are made.
    func prepare(_ process: StubProcess, _ areas: [AreaImage]) throws(RestoreError) {
        guard let image = process.image.memory else { return }
        try leaveStrange(process, image)
        try take(areas, process, image)
    }

    /// Unmaps what was inherited and is not the process's own.
    private func leaveStrange(_ process: StubProcess, _ image: MemoryImage) throws(RestoreError) {
        let inherited = process.present.inherited
        if inherited.isEmpty { return }
        let kept = InheritedMemory.kept(of: inherited, in: image.areas)
        for area in InheritedMemory.without(inherited, kept) {
            try process.leader.call("munmap", CP_SYS_munmap, Int(area.start), Int(area.end - area.start))
        }
        // With the parent's protection, to tell where it is another.
        process.present.inherited = kept
        var next = 0
        for area in kept {
            while inherited[next].end <= area.start { next += 1 }
            if inherited[next].protection == area.protection { continue }
            try process.leader.call(
                "mprotect", CP_SYS_mprotect, Int(area.start), Int(area.end - area.start), Int(area.protection)
            )
        }
    }

    /// Makes areas that are not there yet, and gives them and those that were inherited the contents of the image.
    ///
    /// `isLast` says that nothing is done to the memory afterwards which the contents must be there for.
    private func take(
        _ areas: [AreaImage], _ process: StubProcess, _ image: MemoryImage, isLast: Bool = false
    ) throws(RestoreError) {
        let present = process.present
        let there = (present.own + present.inherited).sorted { $0.start < $1.start }
        let missing = InheritedMemory.without(areas, there)
        try mapAreas(process.leader, missing, of: image)
        for area in missing { try MemoryPolicies.bind(area, by: process.leader) }
        let fresh = (missing + present.inherited).sorted { $0.start < $1.start }
        let count = try fill(process, image, areas: fresh, isLast: isLast)
        process.present.own = (there + missing).sorted { $0.start < $1.start }
        process.present.inherited = []
        process.present.filled += count
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
        let dataSize = image.areas.filter { $0.status.contains(.vvar) }.reduce(0) { $0 + $1.end - $1.start }
        let bytes = pages.bytes(
            of: image.pages, named: ImageName.pagemap(process.pid), in: code.start..<code.end)
        let parkedCode = zip(vdso.pieces, layout.parking).first { $0.0.isCode }?.1 ?? 0
        switch VDSOFit.of(
            bytes, size: code.end - code.start, dataSize: dataSize, own: vdso, at: parkedCode)
        {
        case .same: break
        case .proxy(let contents): return try putProxy(process, contents, at: code)
        case .none(let why):
            throw RestoreError("task \(process.pid)", "has the vdso of another kernel build, \(why)")
        }
        var nextData = data.start
        for (piece, parked) in zip(vdso.pieces, layout.parking) {
            let now = OwnVDSO.Piece(start: parked, end: parked + piece.size, isCode: piece.isCode)
            try VDSOMove.move(&process.leader, now, to: piece.isCode ? code.start : nextData, vdso: vdso)
            if !piece.isCode { nextData += piece.size }
        }
    }

    /// Puts memory in the place of the image's vdso that leads to ours, which stays where it is.
    private func putProxy(
        _ process: StubProcess, _ contents: [UInt8], at code: AreaImage
    ) throws(RestoreError) {
        // Read and run, private, anonymous, at this place and no other.
        try process.leader.call(
            "mmap", CP_SYS_mmap, Int(code.start), Int(code.end - code.start), 5, 0x10_0022, -1, 0)
        try RestoreError.about("task \(process.pid)", "the vdso of its image cannot be put back") {
            () throws(Errno) -> Void in
            try ProcessMemoryFile(process.host).write(RemoteAddress(code.start), contents)
        }
    }

    private func mapAreas(
        _ thread: StubThread, _ areas: [AreaImage], of image: MemoryImage
    ) throws(RestoreError) {
        var byFile: [Int32: [AreaImage]] = [:]
        var anonymous: [AreaImage] = []
        let sizes = Self.segmentSizes(image)
        for area in areas {
            if area.status.contains(.systemV) {
                try systemV.attach(area, by: thread)
            } else if let ours = try file(behind: area, sizes) {
                byFile[ours, default: []].append(area)
            } else {
                anonymous.append(area)
            }
        }
        try map(thread, anonymous, of: [])
        let files = byFile.keys.sorted()
        for start in stride(from: 0, to: files.count, by: Self.filesAtOnce) {
            let ours = files[start..<min(start + Self.filesAtOnce, files.count)]
            try map(thread, ours.flatMap { byFile[$0] ?? [] }, of: ours.map { ($0, byFile[$0]?.count ?? 0) })
        }
    }

    /// Descriptors that a task has beside its own meanwhile.
    private static let filesAtOnce = 64

    /// Bytes of each piece of shared anonymous memory, as far as the areas of an image reach into it.
    private static func segmentSizes(_ image: MemoryImage) -> [UInt64: UInt64] {
        var sizes: [UInt64: UInt64] = [:]
        for area in image.areas where area.status.contains(.anonymousShared) {
            sizes[area.backing] = max(sizes[area.backing, default: 0], area.offset + (area.end - area.start))
        }
        return sizes
    }

    /// Our descriptor of what an area maps; nil for private anonymous memory.
    private func file(
        behind area: AreaImage, _ segmentSizes: [UInt64: UInt64]
    ) throws(RestoreError) -> Int32? {
        if !area.status.isDisjoint(with: [.filePrivate, .fileShared]) {
            guard let id = UInt32(exactly: area.backing) else {
                throw RestoreError("area \(area.name)", "names file \(area.backing), which cannot be an id")
            }
            return try files.mapping(of: id, mode: Int32(bitPattern: area.openMode ?? 0) & O_ACCMODE)
        }
        if area.status.contains(.anonymousShared) {
            return try files.segment(area.backing, size: segmentSizes[area.backing, default: 0])
        }
        return nil
    }

    /// `files` are our descriptors, each with how many of the areas, which are in the order of the files, map it; none for
    /// anonymous memory.
    private func map(
        _ thread: StubThread, _ areas: [AreaImage], of files: [(ours: Int32, areas: Int)]
    ) throws(RestoreError) {
        if areas.isEmpty { return }
        let copies = files.isEmpty ? [] : try lender.take(files.map(\.ours), into: thread)
        let behind = zip(files, copies).flatMap { file, copy in
            repeatElement((ours: file.ours, copy: copy), count: file.areas)
        }
        var calls = CallList()
        for (place, area) in areas.enumerated() {
            let fd = behind.isEmpty ? -1 : behind[place].copy
            let (start, length, protection, flags, file, offset) = Self.mapping(area, fd: fd)
            calls.add("mmap", CP_SYS_mmap, start, length, protection, flags, file, offset)
        }
        for copy in copies { calls.add("close", CP_SYS_close, copy) }
        let results = try calls.attempt(in: thread)
        // What failed is made again alone, where the error is understood.
        for (place, area) in areas.enumerated() where results[place] != Int(area.start) {
            if behind.isEmpty {
                try map(thread, area, fd: -1)
            } else {
                try lender.lend(behind[place].ours, to: thread) { (fd) throws(RestoreError) -> Void in
                    try map(thread, area, fd: fd)
                }
            }
        }
    }

    /// The arguments of mmap(2) for an area. Its address is taken as it is, or not at all (MAP_FIXED_NOREPLACE).
    private static func mapping(_ area: AreaImage, fd: Int) -> (Int, Int, Int, Int, Int, Int) {
        let fixedNoReplace: UInt32 = 0x10_0000
        let kept: UInt32 = 0x3 | 0x100 | 0x4000 | 0x2_0000 | (area.isHuge ? 0x4_0000 | 0x3f << 26 : 0)
        // A droppable mapping has a type of its own in place of MAP_PRIVATE.
        let droppable: UInt32 = area.flags & 0x3 == 0 ? area.flags & 0x8 : 0
        let anonymous: UInt32 = fd < 0 ? 0x20 : 0
        let flags = area.flags & kept | droppable | anonymous | fixedNoReplace
        return (
            Int(area.start), Int(area.end - area.start), Int(area.protection), Int(flags), fd,
            fd < 0 ? 0 : Int(area.offset)
        )
    }

    private func map(_ thread: StubThread, _ area: AreaImage, fd: Int) throws(RestoreError) {
        let (start, length, protection, flags, file, offset) = Self.mapping(area, fd: fd)
        switch try thread.attempt("mmap", CP_SYS_mmap, start, length, protection, flags, file, offset) {
        case .success(let address) where address == Int(area.start): return
        case .success:
            throw RestoreError("task \(thread.tid)", "area \(area.name) came out at another address")
        case .failure(.noMemory) where area.isHuge:
            throw RestoreError(
                "task \(thread.tid)", "area \(area.name) finds too few free huge pages",
                remedy: HugeTLB.remedy(area.end - area.start))
        case .failure(.noMemory)
        where area.protection & 2 != 0 && flags & 2 != 0 && area.end - area.start > Self.part:
            try mapInParts(thread, area, flags: UInt32(flags), fd: fd)
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

    /// Pages written. `areas` are those that still have to be filled.
    private func fill(
        _ process: StubProcess, _ image: MemoryImage, areas: [AreaImage], isLast: Bool
    ) throws(RestoreError) -> Int {
        let subject = "memory of task \(process.pid)"
        guard let source = try pages.mapped(image.pages, named: ImageName.pagemap(process.pid)) else {
            return 0
        }
        // The whole map is checked, and then the part that is wanted is taken.
        let all = try PageFill.pieces(of: source.runs, areas: image.areas, subject: subject)
        let wanted = PageFill.within(areas, all)
        var fill = PageFill(subject: subject, pages: source, affinity: affinity)
        var pieces = wanted
        if let base = process.present.base, !process.present.inherited.isEmpty,
            let present = try pages.mappedAgain(base.pages, named: base.name)
        {
            let difference = PageDifference(wanted, base: present, areas: process.present.inherited)
            let dontNeed = 4
            for range in difference.dropped {
                try process.leader.call(
                    "madvise", CP_SYS_madvise, Int(range.lowerBound), range.count, dontNeed)
            }
            (pieces, fill.base) = (difference.pieces, present)
        }
        let prepared = try fill.prepare(pieces, areas: image.areas, thread: process.leader)
        if isLast && !prepared.isLarge { filling.add(prepared) } else { try prepared.run() }
        return wanted.reduce(0) { $0 + $1.count } / pageSize
    }

    /// Whether something is done to areas that must come after their contents.
    private static func needsContents(_ image: MemoryImage) -> Bool {
        let (random, sequential, dontFork, dontDump, wipeOnFork) = (1, 2, 10, 16, 18)
        let harmless = [random, sequential, dontFork, dontDump, wipeOnFork].reduce(into: UInt64(0)) {
            $0 |= 1 << UInt64($1)
        }
        let locked: UInt32 = 0x2000
        return !image.aioRings.isEmpty
            || image.areas.contains { $0.status.contains(.guardRegion) }
            || mapped(image).contains { ($0.advice ?? 0) & ~harmless != 0 || $0.flags & locked != 0 }
    }

    /// madvise(2) and mlock(2), after the contents are there.
    private func advise(_ thread: StubThread, _ image: MemoryImage) throws(RestoreError) {
        let rings = image.areas.filter { $0.status.contains(.aioRing) }
        for area in Self.mapped(image) + rings {
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

    /// mseal(2), after which nothing can be done to an area.
    static func seal(_ process: StubProcess) throws(RestoreError) {
        let mseal = 462
        for area in process.image.memory?.areas ?? [] where area.isSealed {
            try process.leader.call("mseal", mseal, Int(area.start), Int(area.end - area.start), 0)
        }
    }

    /// Code, data, heap, stack, argument and environment addresses, the auxiliary vector and the exe link, with
    /// PR_SET_MM_MAP. The stub's own program is unmapped by now, which the kernel demands for the exe link, unless it is the
    /// process's program too, as of `NamespaceInit`: then the link is right.
    private func describe(_ thread: StubThread, _ image: MemoryImage) throws(RestoreError) {
        let exe = try files.mapping(of: image.exeFile, mode: O_RDONLY)
        let isOurs = try RestoreError.about("task \(thread.tid)", "its program cannot be looked at") {
            () throws(Errno) in
            let wanted = try FileFacts.of("/proc/self/fd/\(exe)", followingLinks: true)
            let now = try FileFacts.of("/proc/\(thread.tid)/exe", followingLinks: true)
            return wanted.device == now.device && wanted.inode == now.inode
        }
        let vectorOffset = 256
        let vector = image.auxv.flatMap { word in withUnsafeBytes(of: word) { Array($0) } }
        let vectorAddress = vector.isEmpty ? 0 : try thread.put(vector, at: vectorOffset)
        try lender.lend(exe, to: thread) { (fd) throws(RestoreError) -> Void in
            let map = cp_prctl_mm_map(
                start_code: image.startCode, end_code: image.endCode, start_data: image.startData,
                end_data: image.endData, start_brk: image.startBrk, brk: image.brk,
                start_stack: image.startStack, arg_start: image.argStart, arg_end: image.argEnd,
                env_start: image.envStart, env_end: image.envEnd, auxv: UInt64(vectorAddress),
                auxv_size: UInt32(vector.count), exe_fd: isOurs ? .max : UInt32(fd))
            let address = try thread.put(map)
            try thread.call("prctl", CP_SYS_prctl, 35, 14, address, MemoryLayout<cp_prctl_mm_map>.size, 0)
        }
    }
}

extension AreaImage {
    /// `START-END` as /proc/PID/maps has it.
    var name: String { String(start, radix: 16) + "-" + String(end, radix: 16) }
}
