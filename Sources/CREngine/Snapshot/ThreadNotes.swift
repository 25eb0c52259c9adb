/// What the kernel keeps with a thread and tells only to the thread itself.
package struct ThreadNote: Equatable, Sendable {
    /// Threads with the same credentials of the kernel (struct cred) have one number; no other thread has it.
    var credentials: UInt64
    /// Whether set_mempolicy(2) was called.
    var hasMemoryPolicy: Bool
    /// Nanoseconds.
    var timerSlack: UInt64
    /// Of set_tid_address(2).
    var tidAddress: UInt64
    var parentDeathSignal: UInt32
    /// As sigaltstack(2) set it; the flags are without those that say where the thread is.
    var alternateStack: AlternateStackImage

    /// As sigaltstack(2) tells it to the thread (on_sig_stack() and sas_ss_flags() of include/linux/sched/signal.h).
    func alternateStack(stackPointer: UInt64) -> AlternateStackImage {
        let (onStack, disabled, disarms): (UInt32, UInt32, UInt32) = (1, 2, 1 << 31)
        var stack = alternateStack
        stack.flags &= disarms
        if stack.size == 0 {
            stack.flags |= disabled
        } else if stack.flags == 0, stackPointer > stack.pointer, stackPointer - stack.pointer <= stack.size {
            stack.flags |= onStack
        }
        return stack
    }
}

/// Reads them for all threads of a process at once, in their struct task_struct.
struct ThreadNotesReader: Sendable {
    private static let size = 72
    private let iterator: KernelIterator

    init(_ types: KernelTypes) throws(Errno) {
        let start = -Int32(Self.size)
        var program = KernelProgram(.thread)
        program.set(1, 0)
        for place in 0..<Self.size / 8 { program.store(1, at: start + Int32(place) * 8) }
        let members: [(name: String, size: Int32)] = [
            ("pid", 4), ("cred", 8), ("mempolicy", 8), ("timer_slack_ns", 8), ("clear_child_tid", 8),
            ("pdeath_signal", 4), ("sas_ss_sp", 8), ("sas_ss_size", 8), ("sas_ss_flags", 4),
        ]
        for (place, member) in members.enumerated() {
            let offset: Int32
            do throws(Errno) {
                offset = try types.offset("task_struct", member.name)
            } catch {
                // A kernel without NUMA has no policies.
                if member.name == "mempolicy" { continue }
                throw error
            }
            program.copy(3, from: 7)
            program.read(member.size, at: offset, to: start + Int32(place) * 8)
        }
        program.write(Int32(Self.size), from: start)
        program.finish()
        iterator = try KernelIterator(program, types: types)
    }

    /// By thread. Numbers are those of the initial pid namespace, which must be ours.
    func notes(of pid: PID) throws(Errno) -> [TID: ThreadNote] {
        let bytes = try iterator.run(pid)
        var found: [TID: ThreadNote] = [:]
        bytes.withUnsafeBytes { bytes in
            for start in stride(from: 0, through: bytes.count - Self.size, by: Self.size) {
                func word(_ place: Int) -> UInt64 {
                    bytes.loadUnaligned(fromByteOffset: start + place * 8, as: UInt64.self)
                }
                var stack = AlternateStackImage()
                stack.pointer = word(6)
                stack.size = word(7)
                stack.flags = UInt32(truncatingIfNeeded: word(8))
                found[TID(Int32(truncatingIfNeeded: word(0)))] = ThreadNote(
                    credentials: word(1), hasMemoryPolicy: word(2) != 0, timerSlack: word(3),
                    tidAddress: word(4),
                    parentDeathSignal: UInt32(truncatingIfNeeded: word(5)), alternateStack: stack)
            }
        }
        return found
    }
}
