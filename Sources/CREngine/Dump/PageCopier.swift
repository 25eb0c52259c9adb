import CPlatform
import Dispatch
import Synchronization

/// Copies ranges of a stopped process into its pages file from two threads.
///
/// Neither thread traces, and no remote session is open meanwhile. Reads go by process_vm_readv(2) in pieces that fit
/// a second-level cache, and through /proc/PID/mem where a page may not be read.
package struct PageCopier: Sendable {
    /// One read from the process and its place in the file.
    struct Piece: Sendable {
        var address: UInt64
        var count: Int
        var offset: Int
    }

    private static let pieceSize = 256 * 1024
    private static let threads = 2

    private let pid: PID
    private let pause: PauseClock
    private let pieces: [Piece]

    /// `offset` is the place of the first page in the pages file; the ranges follow each other there.
    init(pid: PID, ranges: [PageScan.Range], offset: Int, pause: PauseClock) {
        self.pid = pid
        self.pause = pause
        var pieces: [Piece] = []
        var place = offset
        for range in ranges {
            var address = range.start
            while address < range.end {
                let count = min(Self.pieceSize, Int(range.end - address))
                pieces.append(Piece(address: address, count: count, offset: place))
                place += count
                address += UInt64(count)
            }
        }
        self.pieces = pieces
    }

    /// Copies everything to `descriptor`; throws the first error of either thread.
    package func copy(to descriptor: Int32) throws(DumpError) {
        let next = Atomic<Int>(0)
        let failure = Mutex<DumpError?>(nil)
        let workers = pieces.count < 4 ? 1 : Self.threads
        DispatchQueue.concurrentPerform(iterations: workers) { _ in
            do throws(DumpError) {
                try work(next, descriptor)
            } catch {
                failure.withLock { if $0 == nil { $0 = error } }
                next.store(pieces.count, ordering: .relaxed)
            }
        }
        if let error = failure.withLock({ $0 }) { throw error }
    }

    private func work(_ next: borrowing Atomic<Int>, _ descriptor: Int32) throws(DumpError) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.pieceSize, alignment: pageSize)
        defer { buffer.deallocate() }
        let memory: ProcessMemoryFile
        do throws(Errno) {
            memory = try ProcessMemoryFile(pid)
        } catch {
            throw .task(pid, "its memory cannot be opened", error)
        }
        while true {
            let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
            guard index < pieces.count else { return }
            if cp_cancellation_signal() != 0 { throw .trace(.cancelled) }
            try pause.check()
            let piece = pieces[index]
            let part = UnsafeMutableRawBufferPointer(rebasing: buffer[0..<piece.count])
            do throws(Errno) {
                do throws(Errno) {
                    try RemoteMemory.read(pid, RemoteAddress(piece.address), into: part)
                } catch {
                    if error != .fault { throw error }
                    try memory.read(RemoteAddress(piece.address), into: part)
                }
            } catch {
                throw .task(pid, "its memory at \(RemoteAddress(piece.address)) cannot be read", error)
            }
            do throws(Errno) {
                try write(UnsafeRawBufferPointer(part), descriptor, at: piece.offset)
            } catch {
                throw .image("pages of process \(pid)", error)
            }
        }
    }

    private func write(_ bytes: UnsafeRawBufferPointer, _ descriptor: Int32, at offset: Int) throws(Errno) {
        var done = 0
        while done < bytes.count {
            done += try systemCall(
                CP_SYS_pwrite64, Int(descriptor), Int(bitPattern: bytes.baseAddress.map { $0 + done }),
                bytes.count - done, offset + done)
        }
    }
}
