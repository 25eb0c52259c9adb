/// What the kernel keeps with a timer of timer_create(2) and no call tells without changing it.
package struct TimerNote: Equatable, Sendable {
    package var id: UInt32
    /// How often it went off more since its signal waits to be taken; less than 0 where no signal waits.
    package var overrun: Int64
    /// Thread or process whose CPU time it counts, by its number in its own pid namespace; of no meaning for other clocks.
    package var clockOwner: Int32
}

/// Reads the timers of a process in its struct signal_struct (struct k_itimer of include/linux/posix-timers.h).
struct TimerNotesReader: Sendable {
    private let iterator: KernelIterator

    /// So many timers are read; who has more is told of as if the kernel did not tell.
    private static let most: Int32 = 512

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

        var program = KernelProgram(.task)
        program.load(1, from: 7, try types.offset("task_struct", "signal"))
        program.leaveIfZero(1)
        program.copy(8, from: 1)
        program.add(8, list)
        program.store(8, at: head)
        program.copy(3, from: 8)
        program.read(8, to: next)
        program.loop(Self.most) { program in
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
            program.write(24, from: id)
        }
        program.finish()
        iterator = try KernelIterator(program, types: types)
    }

    func timers(of pid: PID) throws(Errno) -> [TimerNote] {
        let bytes = try iterator.run(pid)
        return bytes.withUnsafeBytes { bytes in
            stride(from: 0, to: bytes.count - 23, by: 24).map { start in
                TimerNote(
                    id: bytes.loadUnaligned(fromByteOffset: start, as: UInt32.self),
                    overrun: bytes.loadUnaligned(fromByteOffset: start + 8, as: Int64.self),
                    clockOwner: bytes.loadUnaligned(fromByteOffset: start + 16, as: Int32.self))
            }
        }
    }
}
