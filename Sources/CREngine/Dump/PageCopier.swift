import CPlatform
import Dispatch
import Glibc
import Synchronization

/// Reads ranges of a stopped process from two threads, to copy them into its pages file or to tell them apart.
///
/// Neither thread traces, and no remote session is open meanwhile. Reads go by process_vm_readv(2) in pieces that fit
/// a second-level cache, and through /proc/PID/mem where a page may not be read, or where it is shared copy-on-write:
/// process_vm_readv(2) pins pages, and for that the kernel gives the process copies of its own (gup_must_unshare in
/// mm/internal.h), which would cost the memory and the time that the sharing saves.
package struct PageCopier: Sendable {
    /// Memory without a gap.
    private struct Span: Sendable {
        var address: UInt64
        var count: Int
        /// Pages of it may be others' as well.
        var mayBeShared: Bool
    }

    /// What is read from the process at once, and its place among all that is read.
    private struct Piece: Sendable {
        var spans: Range<Int>
        /// Bytes of all spans.
        var count = 0
        /// Bytes of the pieces before it.
        var offset: Int
    }

    private static let pieceSize = 256 * 1024
    private static let threads = 2

    private let pid: PID
    private let pause: PauseClock
    private let spans: [Span]
    private let pieces: [Piece]
    let pages: Int

    /// The ranges follow each other in the pages file. `shared` are ranges in which others may have the same pages; both
    /// ascend.
    init(pid: PID, ranges: [PageScan.Range], shared: [Range<UInt64>] = [], pause: PauseClock) {
        self.pid = pid
        self.pause = pause
        var spans: [Span] = []
        var pieces: [Piece] = []
        var piece = Piece(spans: 0..<0, offset: 0)
        var next = 0
        for range in ranges {
            var address = range.start
            while address < range.end {
                let count = min(Self.pieceSize - piece.count, Int(range.end - address))
                while next < shared.count, shared[next].upperBound <= address { next += 1 }
                let mayBeShared = next < shared.count && shared[next].lowerBound < address + UInt64(count)
                spans.append(Span(address: address, count: count, mayBeShared: mayBeShared))
                address += UInt64(count)
                piece.spans = piece.spans.lowerBound..<spans.count
                piece.count += count
                if piece.count == Self.pieceSize {
                    pieces.append(piece)
                    piece = Piece(spans: spans.count..<spans.count, offset: piece.offset + piece.count)
                }
            }
        }
        if piece.count > 0 { pieces.append(piece) }
        self.spans = spans
        self.pieces = pieces
        pages = (piece.offset + piece.count) / pageSize
    }

    /// Copies everything to `descriptor` from `start` on, and into `hashes` what tells the pages apart.
    func copy(to descriptor: Int32, at start: Int, hashes: PageHashes? = nil) throws(DumpError) {
        let pid = pid
        try run { (offset, bytes) throws(DumpError) in
            hashes?.take(bytes, at: offset / pageSize)
            do throws(Errno) {
                try Self.write(bytes, descriptor, at: start + offset)
            } catch {
                throw .image("pages of process \(pid)", error)
            }
        }
    }

    /// What tells the pages apart.
    func hashes() throws(DumpError) -> PageHashes {
        let hashes = PageHashes(count: pages)
        try run { (offset, bytes) throws(DumpError) in hashes.take(bytes, at: offset / pageSize) }
        return hashes
    }

    /// Hands each piece to `body` with its place among all, from two threads; throws the first error of either.
    private func run(
        _ body: @Sendable (Int, UnsafeRawBufferPointer) throws(DumpError) -> Void
    ) throws(DumpError) {
        let next = Atomic<Int>(0)
        let failure = Mutex<DumpError?>(nil)
        let workers = pieces.count < 4 ? 1 : Self.threads
        DispatchQueue.concurrentPerform(iterations: workers) { _ in
            do throws(DumpError) {
                try work(next, body)
            } catch {
                failure.withLock { if $0 == nil { $0 = error } }
                next.store(pieces.count, ordering: .relaxed)
            }
        }
        if let error = failure.withLock({ $0 }) { throw error }
    }

    private func work(
        _ next: borrowing Atomic<Int>,
        _ body: (Int, UnsafeRawBufferPointer) throws(DumpError) -> Void
    ) throws(DumpError) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.pieceSize, alignment: pageSize)
        defer { buffer.deallocate() }
        let memory: ProcessMemoryFile
        do throws(Errno) {
            memory = try ProcessMemoryFile(pid)
        } catch {
            throw .task(pid, "its memory cannot be opened", error)
        }
        let map: OwnedFD
        do throws(Errno) {
            map = try OwnedFD.open("/proc/\(pid)/pagemap", O_RDONLY)
        } catch {
            throw .task(pid, "its page map cannot be opened", error)
        }
        while true {
            let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
            guard index < pieces.count else { return }
            if cp_cancellation_signal() != 0 { throw .trace(.cancelled) }
            try pause.check()
            let piece = pieces[index]
            let part = UnsafeMutableRawBufferPointer(rebasing: buffer[0..<piece.count])
            if try !gather(spans[piece.spans], into: part) {
                var place = 0
                for span in spans[piece.spans] {
                    let room = UnsafeMutableRawBufferPointer(rebasing: part[place..<place + span.count])
                    do throws(Errno) {
                        try read(span, into: room, memory, map)
                    } catch {
                        throw .task(
                            pid, "its memory at \(RemoteAddress(span.address)) cannot be read", error)
                    }
                    place += span.count
                }
            }
            try body(piece.offset, UnsafeRawBufferPointer(part))
        }
    }

    /// Reads many spans by one call. False where this will not do for one of them.
    private func gather(
        _ spans: ArraySlice<Span>, into part: UnsafeMutableRawBufferPointer
    ) throws(DumpError) -> Bool {
        if spans.count == 1 || spans.contains(where: \.mayBeShared) { return false }
        do throws(Errno) {
            return try RemoteMemory.gather(
                pid, spans.map { (RemoteAddress($0.address), $0.count) }, into: part)
        } catch {
            throw .task(pid, "its memory cannot be read", error)
        }
    }

    private func read(
        _ span: Span, into room: UnsafeMutableRawBufferPointer, _ memory: borrowing ProcessMemoryFile,
        _ map: borrowing OwnedFD
    ) throws(Errno) {
        if span.mayBeShared, try Self.isShared(span, map) {
            return try memory.read(RemoteAddress(span.address), into: room)
        }
        do throws(Errno) {
            try RemoteMemory.read(pid, RemoteAddress(span.address), into: room)
        } catch {
            if error != .fault { throw error }
            try memory.read(RemoteAddress(span.address), into: room)
        }
    }

    /// Whether a page of the span is there and not the process's alone (bit 56 of its word). See
    /// Documentation/admin-guide/mm/pagemap.rst.
    private static func isShared(_ span: Span, _ map: borrowing OwnedFD) throws(Errno) -> Bool {
        let (present, exclusive): (UInt64, UInt64) = (1 << 63, 1 << 56)
        var words = [UInt64](repeating: 0, count: span.count / pageSize)
        let place = Int(span.address) / pageSize * 8
        let count = try words.withUnsafeMutableBufferPointer { (buffer) throws(Errno) -> Int in
            try map.readAll(into: UnsafeMutableRawBufferPointer(buffer), at: place)
        }
        return words[..<(count / 8)].contains { $0 & present != 0 && $0 & exclusive == 0 }
    }

    private static func write(
        _ bytes: UnsafeRawBufferPointer, _ descriptor: Int32, at offset: Int
    ) throws(Errno) {
        var done = 0
        while done < bytes.count {
            done += try systemCall(
                CP_SYS_pwrite64, Int(descriptor), Int(bitPattern: bytes.baseAddress.map { $0 + done }),
                bytes.count - done, offset + done)
        }
    }
}
