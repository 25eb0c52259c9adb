/// Machine code that puts a thread back where it was, should its tracer die at any moment.
///
/// A remote system call points the thread's registers at the `syscall` instruction with which this code starts. What
/// follows that instruction sets the thread's own signal mask, loads the registers that a call can change, and jumps
/// to where the thread was. While the tracer lives it takes the thread away at the end of each call, so none of this
/// runs; when it dies, the kernel lets the thread go and the thread heals itself. Stack, flags and vector registers
/// are never touched, so there is nothing to heal in them, and the kernel's restart block survives.
///
///     +0   syscall                        each remote call starts here
///     +2   rt_sigprocmask(SIG_SETMASK, mask, NULL, 8)      `heal`
///          load rax rdi rsi rdx rcx r8 r9 r10 r11
///          jmp *target
///     scratch, mask, target, marker: 8 bytes each
package struct HealingStub: Equatable, Sendable {
    /// Bytes of the whole stub, a multiple of 8.
    package static let size = 168
    /// Offset of the code that heals; also where a thread stands after its remote call.
    package static let healOffset = 2
    /// The last 8 bytes, by which a later run knows a stub that was left behind ("crplan" and a version).
    package static let marker: UInt64 = 0x0200_6e61_6c70_7263

    private static let scratchOffset = size - 32
    private static let maskOffset = size - 24
    private static let targetOffset = size - 16

    /// Code for a thread that is to go on with `registers` and with `signalMask`.
    ///
    /// `scratch` is where the page for results is mapped, for a later run that finds stub and page left behind.
    package static func bytes(
        registers: RegisterImage, signalMask: UInt64, scratch: RemoteAddress
    ) -> [UInt8] {
        var code: [UInt8] = []
        code.reserveCapacity(size)
        code += [0x0f, 0x05]  // syscall
        code += [0xb8, 14, 0, 0, 0]  // mov eax, rt_sigprocmask
        code += [0xbf, 2, 0, 0, 0]  // mov edi, SIG_SETMASK
        code += [0x48, 0x8d, 0x35] + relative(to: maskOffset, from: code.count + 7)  // lea rsi, [mask]
        code += [0xba, 0, 0, 0, 0]  // mov edx, 0
        code += [0x41, 0xba, 8, 0, 0, 0]  // mov r10d, 8
        code += [0x0f, 0x05]  // syscall
        code += [0x48, 0xb8] + little(registers.ax)
        code += [0x48, 0xbf] + little(registers.di)
        code += [0x48, 0xbe] + little(registers.si)
        code += [0x48, 0xba] + little(registers.dx)
        code += [0x48, 0xb9] + little(registers.cx)
        code += [0x49, 0xb8] + little(registers.r8)
        code += [0x49, 0xb9] + little(registers.r9)
        code += [0x49, 0xba] + little(registers.r10)
        code += [0x49, 0xbb] + little(registers.r11)
        code += [0xff, 0x25] + relative(to: targetOffset, from: code.count + 6)  // jmp [target]
        precondition(code.count <= scratchOffset, "the healing stub outgrew its place")
        code += [UInt8](repeating: 0xcc, count: scratchOffset - code.count)
        code += little(scratch.rawValue) + little(signalMask) + little(registers.ip) + little(marker)
        return code
    }

    /// Where the immediate values of the nine loads lie; each load is two bytes of code and eight of value.
    private static let firstLoad = 34
    private static let loadSize = 10

    /// The registers and the mask to which a stub leads a thread that stands on it with `registers`.
    ///
    /// Nil where the bytes are no stub. The thread may stand on any instruction: what the stub has set already it
    /// would set to the same again.
    package static func healed(
        _ registers: RegisterImage, by stub: [UInt8]
    ) -> (registers: RegisterImage, signalMask: UInt64)? {
        guard isStub(stub) else { return nil }
        func load(_ index: Int) -> UInt64 { word(stub, firstLoad + index * loadSize) }
        var healed = registers
        healed.ax = load(0)
        healed.di = load(1)
        healed.si = load(2)
        healed.dx = load(3)
        healed.cx = load(4)
        healed.r8 = load(5)
        healed.r9 = load(6)
        healed.r10 = load(7)
        healed.r11 = load(8)
        healed.ip = word(stub, targetOffset)
        healed.origAx = .max
        return (healed, word(stub, maskOffset))
    }

    /// Where the run that wrote this stub mapped its page for results; nil where the bytes are no stub.
    package static func scratch(of stub: [UInt8]) -> RemoteAddress? {
        isStub(stub) ? RemoteAddress(word(stub, scratchOffset)) : nil
    }

    /// True where these are the bytes of a stub, whole and with its marker.
    package static func isStub(_ bytes: [UInt8]) -> Bool {
        bytes.count == size && word(bytes, size - 8) == marker
    }

    private static func word(_ bytes: [UInt8], _ offset: Int) -> UInt64 {
        bytes[offset..<offset + 8].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    private static func little(_ value: UInt64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * UInt64($0))) }
    }

    private static func relative(to target: Int, from next: Int) -> [UInt8] {
        let distance = UInt32(bitPattern: Int32(target - next))
        return (0..<4).map { UInt8(truncatingIfNeeded: distance >> (8 * UInt32($0))) }
    }
}
