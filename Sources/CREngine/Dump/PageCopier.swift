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
    /// One read from the process and its place among all that is read.
    struct Piece: Sendable {
        var address: UInt64
        var count: Int
        /// Bytes of the pieces before it.
        var offset: Int
        /// Pages of it may be others' as well.
        var mayBeShared = false
    }

    private static let pieceSize = 256 * 1024
    private static let threads = 2

    private let pid: PID
    private let pause: PauseClock
    private let pieces: [Piece]
    let pages: Int

    /// The ranges follow each other in the pages file. `shared` are ranges in which others may have the same pages; both
    /// ascend.
    init(pid: PID, ranges: [PageScan.Range], shared: [Range<UInt64>] = [], pause: PauseClock) {
        self.pid = pid
        self.pause = pause
        var pieces: [Piece] = []
        var place = 0
        var next = 0
        for range in ranges {
            var address = range.start
            while address < range.end {
                let count = min(Self.pieceSize, Int(range.end - address))
                while next < shared.count, shared[next].upperBound <= address { next += 1 }
                let mayBeShared = next < shared.count && shared[next].lowerBound < address + UInt64(count)
                pieces.append(
                    Piece(address: address, count: count, offset: place, mayBeShared: mayBeShared))
                place += count
                address += UInt64(count)
            }
        }
        self.pieces = pieces
        pages = place / pageSize
    }

    /// Copies everything to `descriptor` from `offset` on, and into `hashes` what tells the pages apart.
    func copy(to descriptor: Int32, at offset: Int, hashes: PageHashes? = nil) throws(DumpError) {
        let pid = pid
        try run { (piece, bytes) throws(DumpError) in
            hashes?.take(bytes, at: piece.offset / pageSize)
            do throws(Errno) {
                try Self.write(bytes, descriptor, at: offset + piece.offset)
            } catch {
                throw .image("pages of process \(pid)", error)
            }
        }
    }

    /// What tells the pages apart.
    func hashes() throws(DumpError) -> PageHashes {
        let hashes = PageHashes(count: pages)
        try run { (piece, bytes) throws(DumpError) in hashes.take(bytes, at: piece.offset / pageSize) }
        return hashes
    }

    /// Hands each piece to `body`, from two threads; throws the first error of either.
    private func run(
        _ body: @Sendable (Piece, UnsafeRawBufferPointer) throws(DumpError) -> Void
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
        _ body: (Piece, UnsafeRawBufferPointer) throws(DumpError) -> Void
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
            do throws(Errno) {
                if piece.mayBeShared, try Self.isShared(piece, map) {
                    try memory.read(RemoteAddress(piece.address), into: part)
                } else {
                    try read(piece, into: part, memory)
                }
            } catch {
                throw .task(pid, "its memory at \(RemoteAddress(piece.address)) cannot be read", error)
            }
            try body(piece, UnsafeRawBufferPointer(part))
        }
    }

    private func read(
        _ piece: Piece, into part: UnsafeMutableRawBufferPointer, _ memory: borrowing ProcessMemoryFile
    ) throws(Errno) {
        do throws(Errno) {
            try RemoteMemory.read(pid, RemoteAddress(piece.address), into: part)
        } catch {
            if error != .fault { throw error }
            try memory.read(RemoteAddress(piece.address), into: part)
        }
    }

    /// Whether a page of the piece is there and not the process's alone (bit 56 of its word). See
    /// Documentation/admin-guide/mm/pagemap.rst.
    private static func isShared(_ piece: Piece, _ map: borrowing OwnedFD) throws(Errno) -> Bool {
        let (present, exclusive): (UInt64, UInt64) = (1 << 63, 1 << 56)
        var words = [UInt64](repeating: 0, count: piece.count / pageSize)
        let place = Int(piece.address) / pageSize * 8
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
