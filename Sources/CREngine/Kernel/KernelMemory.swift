import Glibc
import Synchronization

/// Reads memory of the kernel, where addresses found in its structures lead.
///
/// A program of its own is loaded once and gets place and size by a cell. What it reads must not change meanwhile: nothing is
/// locked, and memory that was freed reads as what is there now.
final class KernelMemory: Sendable {
    /// Bytes of one run.
    private static let most = 4096
    private static let word = 8
    private let request: KernelCell
    private let iterator: KernelIterator
    /// The cell has room for one request.
    private let turn = Mutex<Void>(())

    init(_ types: KernelTypes) throws(Errno) {
        let request = try KernelCell(words: 2)
        iterator = try KernelIterator(Self.program(request), types: types)
        self.request = request
    }

    /// `address` is a multiple of eight, as those of all structures are. Throws EFAULT where no memory is.
    func bytes(at address: UInt64, count: Int) throws(Errno) -> [UInt8] {
        var found: [UInt8] = []
        found.reserveCapacity(count)
        while found.count < count {
            let size = min(count - found.count, Self.most)
            let words = (size + Self.word - 1) / Self.word
            let part = try run(address + UInt64(found.count), words)
            // The program leaves off at the first word that it cannot read.
            if part.count != words * Self.word { throw .fault }
            found += part.prefix(size)
        }
        return found
    }

    private func run(_ address: UInt64, _ words: Int) throws(Errno) -> [UInt8] {
        try turn.withLock { (_) throws(Errno) -> [UInt8] in
            try request.set([address, UInt64(words)])
            return try iterator.run(PID(getpid()))
        }
    }

    /// Word by word, as the kernel gives memory in multiples of that: none is read that is behind the structure.
    private static func program(_ request: KernelCell) -> KernelProgram {
        var program = KernelProgram(.task)
        program.loadCell(request, into: 7, place: -8)
        program.loop(Int32(most / word)) { program in
            program.leaveIfEqual(9, 8)
            program.copy(3, from: 7)
            program.read(8, to: -8)
            program.set(1, 0)
            program.leaveUnlessEqual(0, 1)
            program.write(8, from: -8)
            program.add(7, 8)
        }
        program.finish()
        return program
    }
}
