import Glibc

/// What the kernel keeps with a timer of timer_create(2) and no call tells without changing it.
package struct TimerNote: Equatable, Sendable {
    package var id: UInt32
    /// How often it went off more since its signal waits to be taken; less than 0 where no signal waits.
    package var overrun: Int64
    /// Thread or process whose CPU time it counts, by its number in its own pid namespace; of no meaning for other clocks.
    package var clockOwner: Int32
}

/// Reads the timers of a process in its struct signal_struct (struct k_itimer of include/linux/posix-timers.h), some in a run;
/// see `EmptyMessagesReader`.
struct TimerNotesReader: Sendable {
    private static let step: Int32 = 16
    /// So many timers are read; who has more is told of as if the kernel did not tell.
    private static let mostRuns = 1 << 12
    private static let rowSize = 24
    private let iterator: KernelIterator
    /// The timer to begin with, 0 for the first.
    private let cell: KernelCell

    init(_ types: KernelTypes) throws(Errno) {
        let (id, overrun, owner): (Int32, Int32, Int32) = (-24, -16, -8)
        let (next, head, reference, level): (Int32, Int32, Int32, Int32) = (-32, -40, -48, -56)
        let list = try types.offset("signal_struct", "posix_timers")
        let node = try types.offset("k_itimer", "list")
        let (idPlace, overrunPlace) =
            (try types.offset("k_itimer", "it_id"), try types.offset("k_itimer", "it_overrun"))
        let ownerPlace = try types.offset("k_itimer", "it") + types.offset("cpu_timer", "pid")
        let (levelPlace, numbers) = (try types.offset("pid", "level"), try types.offset("pid", "numbers"))
        let numberShift: Int32 = 4  // struct upid has 16 bytes and begins with the number.

        cell = try KernelCell(words: 1)
        var program = KernelProgram(.task)
        program.load(8, from: 7, try types.offset("task_struct", "signal"))
        program.leaveIfZero(8)
        program.add(8, list)
        program.store(8, at: head)
        program.loadCell(cell, into: 2, place: reference)
        program.store(2, at: next)
        program.load(1, from: KernelProgram.stack, next)
        program.ifZero(1) { program in
            program.load(3, from: KernelProgram.stack, head)
            program.read(8, to: next)
        }
        program.loop(Self.step) { program in
            // One list ends with nothing, that of kernels before Linux 6.12 with its head.
            program.load(8, from: KernelProgram.stack, next)
            program.leaveIfZero(8)
            program.load(1, from: KernelProgram.stack, head)
            program.leaveIfEqual(8, 1)
            program.copy(3, from: 8)
            program.read(8, to: next)
            program.add(8, -node)
            program.set(1, 0)
            for place in [id, overrun, owner, level] { program.store(1, at: place) }
            program.copy(3, from: 8)
            program.read(4, at: idPlace, to: id)
            program.copy(3, from: 8)
            program.read(8, at: overrunPlace, to: overrun)
            program.copy(3, from: 8)
            program.read(8, at: ownerPlace, to: reference)
            program.load(3, from: KernelProgram.stack, reference)
            program.read(4, at: levelPlace, to: level)
            program.load(1, from: KernelProgram.stack, level)
            program.shiftLeft(1, numberShift)
            program.load(3, from: KernelProgram.stack, reference)
            program.add(3, register: 1)
            program.read(4, at: numbers, to: owner)
            program.write(Int32(Self.rowSize), from: id)
        }
        // The list goes on.
        program.set(1, -1)
        program.store(1, at: id)
        program.load(1, from: KernelProgram.stack, next)
        program.store(1, at: overrun)
        program.write(Int32(Self.rowSize), from: id)
        program.finish()
        iterator = try KernelIterator(program, types: types)
    }

    /// Not for two threads at once. Throws ENOBUFS where there is no end of them.
    func timers(of pid: PID) throws(Errno) -> [TimerNote] {
        var found: [TimerNote] = []
        var begin: UInt64? = 0
        for _ in 0..<Self.mostRuns {
            guard let start = begin else { return found }
            try cell.set([start])
            begin = Self.decode(try iterator.run(pid), into: &found)
        }
        throw Errno(rawValue: ENOBUFS)
    }

    /// Returns where the list goes on.
    private static func decode(_ bytes: [UInt8], into found: inout [TimerNote]) -> UInt64? {
        bytes.withUnsafeBytes { bytes in
            for start in stride(from: 0, through: bytes.count - rowSize, by: rowSize) {
                func word(_ place: Int) -> UInt64 {
                    bytes.loadUnaligned(fromByteOffset: start + place * 8, as: UInt64.self)
                }
                if word(0) == .max { return word(1) }
                found.append(
                    TimerNote(
                        id: UInt32(truncatingIfNeeded: word(0)), overrun: Int64(bitPattern: word(1)),
                        clockOwner: Int32(truncatingIfNeeded: word(2))))
            }
            return nil
        }
    }
}
