import CPlatform
import Dispatch
import Glibc
import Synchronization

/// Pages that go from the image into one task.
struct PageFill: Sendable {
    /// A piece inside one area.
    struct Piece: Sendable {
        var address: UInt64
        /// Byte in the pages file.
        var offset: UInt64
        /// Which pages file.
        var layer = 0
        var count: Int
        /// True for anonymous memory, which userfaultfd fills.
        var isAnonymous: Bool
        /// Where in our memory the content is that is there already; 0 where no page is.
        var base: UInt = 0

        func part(from start: UInt64, to end: UInt64) -> Self {
            var part = self
            part.address = start
            part.offset += start - address
            part.count = Int(end - start)
            return part
        }
    }

    /// Below this many bytes of new anonymous memory a userfaultfd costs more than it gains.
    private static let faultFrom = 256 << 10
    /// A pages file of at most so many bytes stays in our memory until its process has it all.
    private static let smallFile = 4 << 20
    private static let chunkSize = 2 << 20
    /// Bytes; a fault maps as much at once (fault_around_bytes).
    private static let populatedFrom = 64 << 10

    let subject: String
    let pages: MappedPages
    /// What pieces with a `base` point into.
    var base: MappedPages?
    /// CPUs for the copying threads; the one that builds is bound to the task's.
    let affinity: [UInt64]

    /// Splits runs of pages at the borders of areas. Throws where the image has pages that cannot be written.
    static func pieces(
        of runs: [PagesReader.Run], areas: [AreaImage], subject: String
    ) throws(RestoreError) -> [Piece] {
        var result: [Piece] = []
        var index = 0
        for run in runs {
            var address = run.address
            var offset = run.fileOffset
            let end = run.address + run.pages * UInt64(pageSize)
            while address < end {
                while index < areas.count && areas[index].end <= address { index += 1 }
                guard index < areas.count, areas[index].start <= address else {
                    throw RestoreError(
                        subject, "image has a page at 0x\(String(address, radix: 16)) outside of every area")
                }
                let area = areas[index]
                let part = min(end, area.end) - address
                let isPrivate = !area.status.isDisjoint(with: [.filePrivate, .anonymousPrivate])
                // A ring is filled by who makes it (`AsyncRings`).
                let isKernels = !area.status.isDisjoint(with: [.vvar, .vsyscall, .vdso, .aioRing])
                if isPrivate && !isKernels {
                    // A droppable mapping has no MAP_PRIVATE and takes no userfaultfd; of huge pages that fills whole
                    // ones only.
                    let isAnonymous =
                        area.status.contains(.anonymousPrivate) && area.flags & 0x3 == 0x2 && !area.isHuge
                    for start in stride(from: 0, to: part, by: chunkSize) {
                        result.append(
                            Piece(
                                address: address + start, offset: offset + start, layer: run.layer,
                                count: Int(min(UInt64(chunkSize), part - start)), isAnonymous: isAnonymous))
                    }
                } else if !isKernels {
                    throw RestoreError(
                        subject, "image has private pages for area \(area.name), which is shared")
                }
                address += part
                offset += part
            }
        }
        return result
    }

    /// What of the pieces lies in these areas; both ascend.
    static func within(_ areas: [AreaImage], _ pieces: [Piece]) -> [Piece] {
        var result: [Piece] = []
        result.reserveCapacity(pieces.count)
        var first = 0
        for piece in pieces {
            let end = piece.address + UInt64(piece.count)
            while first < areas.count, areas[first].end <= piece.address { first += 1 }
            for area in areas[first...] {
                if area.start >= end { break }
                result.append(piece.part(from: max(area.start, piece.address), to: min(area.end, end)))
            }
        }
        return result
    }

    /// All that needs the task to act: opens its memory.
    ///
    /// Anonymous memory is filled with UFFDIO_COPY, which needs no page to be zeroed first, and everything else (and all of
    /// it where the kernel gives no userfaultfd) through /proc/PID/mem, which heeds no protection.
    func prepare(
        _ pieces: [Piece], areas: [AreaImage], thread: StubThread
    ) throws(RestoreError) -> PreparedFill {
        let memory = try RestoreError.about(subject, "cannot be opened") { () throws(Errno) in
            try OwnedFD.open("/proc/\(thread.tid)/mem", O_RDWR)
        }
        let fresh = pieces.reduce(0) { $0 + ($1.isAnonymous && $1.base == 0 ? $1.count : 0) }
        let fault = fresh >= Self.faultFrom ? try UserFault.open(thread) : nil
        if let fault { try register(pieces, areas: areas, fault) }
        return PreparedFill(fill: self, pieces: pieces, memory: memory, fault: fault)
    }

    private func register(_ pieces: [Piece], areas: [AreaImage], _ fault: UserFault) throws(RestoreError) {
        var next = 0
        for area in areas {
            while next < pieces.count && pieces[next].address < area.start { next += 1 }
            var first = next
            while first < pieces.count, pieces[first].address < area.end, pieces[first].base != 0 {
                first += 1
            }
            guard first < pieces.count, pieces[first].address < area.end, pieces[first].isAnonymous else {
                continue
            }
            try RestoreError.about(subject, "area \(area.name) takes no userfaultfd") {
                () throws(Errno) -> Void in
                try fault.register(start: area.start, length: area.end - area.start)
            }
        }
    }

    fileprivate func copy(_ piece: Piece, memory: Int32, fault: UserFault?) throws(Errno) {
        let from = pages.start(of: piece.layer) + UInt(piece.offset)
        let populateRead = 22
        // Only saves faults, of which there are not more than these calls for a few pages; a file that cannot be read
        // shows in the copy.
        if piece.count >= Self.populatedFrom {
            _ = cp_syscall(CP_SYS_madvise, Int(from), piece.count, populateRead, 0, 0, 0)
        }
        defer { letGo(of: piece) }
        if piece.base != 0 {
            let isLarge = (base?.size ?? 0) > Self.smallFile
            if isLarge, piece.count >= Self.populatedFrom {
                _ = cp_syscall(CP_SYS_madvise, Int(piece.base), piece.count, populateRead, 0, 0, 0)
            }
            defer { if isLarge { Self.unmapPages(piece.base, piece.count) } }
            try change(piece, from: from, memory: memory)
            return
        }
        if piece.isAnonymous, let fault {
            try fault.copy(to: piece.address, from: UInt64(from), count: UInt64(piece.count))
            return
        }
        let bytes = UnsafeRawBufferPointer(start: UnsafeRawPointer(bitPattern: from), count: piece.count)
        try PositionedWrite.all(memory, bytes, at: piece.address)
    }

    /// Else the mapped file would count as resident memory of ours, as much as the tree has. Small pieces go together, with
    /// what lies around them; what other threads still need of that they fault in again.
    private func letGo(of piece: Piece) {
        if pages.size <= Self.smallFile { return }
        let start = pages.start(of: piece.layer)
        if piece.count >= Self.populatedFrom {
            Self.unmapPages(start + UInt(piece.offset), piece.count)
            return
        }
        let window = UInt64(Self.chunkSize)
        let first = piece.offset / window * window
        let end = (piece.offset + UInt64(piece.count)) / window * window
        if end > first { Self.unmapPages(start + UInt(first), Int(end - first)) }
    }

    /// Takes pages of a mapped file out of our memory, not out of the page cache.
    private static func unmapPages(_ start: UInt, _ count: Int) {
        _ = cp_syscall(CP_SYS_madvise, Int(start), count, Int(MADV_DONTNEED), 0, 0, 0)
    }

    /// Writes the pages that are not what is there; all others stay shared.
    private func change(_ piece: Piece, from: UInt, memory: Int32) throws(Errno) {
        guard let wanted = UnsafeRawPointer(bitPattern: from),
            let present = UnsafeRawPointer(bitPattern: piece.base)
        else { throw .fault }
        func isAlike(_ place: Int) -> Bool { memcmp(wanted + place, present + place, pageSize) == 0 }
        var place = 0
        while place < piece.count {
            let start = place
            while place < piece.count, !isAlike(place) { place += pageSize }
            if place > start {
                let bytes = UnsafeRawBufferPointer(start: wanted + start, count: place - start)
                try PositionedWrite.all(memory, bytes, at: piece.address + UInt64(start))
            }
            while place < piece.count, isAlike(place) { place += pageSize }
        }
    }
}

/// Pages on their way into a task, which need nothing of it any more.
final class PreparedFill: Sendable {
    /// Below this many bytes more threads cost more than they gain.
    private static let parallelFrom = 8 << 20

    private let fill: PageFill
    private let pieces: [PageFill.Piece]
    private let memory: OwnedFD
    private let fault: UserFault?
    let isLarge: Bool

    fileprivate init(
        fill: PageFill, pieces: [PageFill.Piece], memory: consuming OwnedFD, fault: UserFault?
    ) {
        (self.fill, self.pieces, self.fault) = (fill, pieces, fault)
        self.memory = memory
        isLarge = pieces.reduce(0) { $0 + $1.count } >= Self.parallelFrom
    }

    /// Writes them, a large number on several threads.
    func run() throws(RestoreError) {
        if !isLarge {
            for piece in pieces { try copy(piece) }
            return
        }
        let failure = Mutex<RestoreError?>(nil)
        let ours = Self.thread
        DispatchQueue.concurrentPerform(iterations: pieces.count) { index in
            // Threads made by a bound one are bound as well; slower when that cannot be changed, no more.
            if Self.thread != ours { unbind() }
            do throws(RestoreError) { try copy(pieces[index]) } catch { failure.withLock { $0 = error } }
        }
        if let error = failure.withLock({ $0 }) { throw error }
    }

    /// Lets this thread of ours run on every CPU that we may use.
    func unbind() { try? Affinity.set(TID(Int32(Self.thread)), fill.affinity) }

    private static var thread: Int { cp_syscall(CP_SYS_gettid, 0, 0, 0, 0, 0, 0) }

    private func copy(_ piece: PageFill.Piece) throws(RestoreError) {
        do throws(Errno) {
            try fill.copy(piece, memory: memory.rawValue, fault: fault)
        } catch {
            throw RestoreError(
                fill.subject, "pages at 0x\(String(piece.address, radix: 16)) cannot be written", errno: error
            )
        }
    }
}

/// Fills memory of processes one after the other on a thread of its own, while the next ones are built.
final class FillQueue: Sendable {
    /// Each keeps two descriptors and a mapping.
    private static let most = 16
    private let queue = DispatchQueue(label: "page fill")
    private let room = DispatchSemaphore(value: most)
    private let failure = Mutex<RestoreError?>(nil)

    func add(_ fill: PreparedFill) {
        room.wait()
        queue.async { [self] in
            if failure.withLock({ $0 == nil }) {
                fill.unbind()
                do throws(RestoreError) { try fill.run() } catch { failure.withLock { $0 = error } }
            }
            room.signal()
        }
    }

    /// Returns when all is there, or nothing is on its way any more.
    func finish() throws(RestoreError) {
        queue.sync {}
        if let error = failure.withLock({ $0 }) { throw error }
    }
}

/// userfaultfd(2) of a task, in our hands.
final class UserFault: Sendable {
    private let fd: OwnedFD

    private init(_ fd: consuming OwnedFD) { self.fd = fd }

    /// Made in the task, as it is bound to the maker's memory; nil where the kernel refuses.
    static func open(_ thread: StubThread) throws(RestoreError) -> UserFault? {
        let flags = Int(O_CLOEXEC | O_NONBLOCK)
        guard case .success(let theirs) = try thread.attempt("userfaultfd", CP_SYS_userfaultfd, flags) else {
            return nil
        }
        let taken = try? UserFault(take(theirs, of: thread.tid))
        try thread.call("close", CP_SYS_close, theirs)
        return taken
    }

    private static func take(_ fd: Int, of tid: TID) throws(Errno) -> OwnedFD {
        let pidfd = OwnedFD(taking: Int32(try systemCall(CP_SYS_pidfd_open, Int(tid.rawValue), 0)))
        let ours = OwnedFD(
            taking: Int32(try systemCall(CP_SYS_pidfd_getfd, Int(pidfd.rawValue), fd, 0)))
        let number = ours.rawValue
        var api = uffdio_api()
        api.api = 0xaa
        try withUnsafeMutablePointer(to: &api) { (pointer) throws(Errno) -> Void in
            try systemCall(CP_SYS_ioctl, Int(number), request(CP_UFFDIO_API), Int(bitPattern: pointer))
        }
        return ours
    }

    func register(start: UInt64, length: UInt64) throws(Errno) {
        var arguments = uffdio_register()
        arguments.range.start = start
        arguments.range.len = length
        // UFFDIO_REGISTER_MODE_MISSING
        arguments.mode = 1
        try withUnsafeMutablePointer(to: &arguments) { (pointer) throws(Errno) -> Void in
            try systemCall(
                CP_SYS_ioctl, Int(fd.rawValue), Self.request(CP_UFFDIO_REGISTER), Int(bitPattern: pointer))
        }
    }

    /// Fills pages that are not there yet.
    func copy(to address: UInt64, from source: UInt64, count: UInt64) throws(Errno) {
        var done: UInt64 = 0
        while done < count {
            var arguments = uffdio_copy()
            arguments.dst = address + done
            arguments.src = source + done
            arguments.len = count - done
            do throws(Errno) {
                try withUnsafeMutablePointer(to: &arguments) { (pointer) throws(Errno) -> Void in
                    try systemCall(
                        CP_SYS_ioctl, Int(fd.rawValue), Self.request(CP_UFFDIO_COPY), Int(bitPattern: pointer)
                    )
                }
            } catch {
                // The part that was copied before the map changed under it.
                if error != .again { throw error }
            }
            if arguments.copy > 0 { done += UInt64(arguments.copy) }
        }
    }

    private static func request(_ number: Int) -> Int { Int(UInt32(truncatingIfNeeded: number)) }
}
