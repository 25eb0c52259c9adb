/// A program of classic BPF that filters system calls, see seccomp(2).
struct SeccompProgram {
    /// What it answers for a call: SECCOMP_RET_*, the upper 16 bits.
    enum Answer: Equatable {
        case allow
        /// The call gives an error, or is logged, traced or handed on.
        case other(UInt32)
        /// The thread or process ends, or gets SIGSYS.
        case kill
    }

    /// `struct sock_filter`, 8 bytes each: code, jumps, constant.
    let bytes: [UInt8]

    private struct Instruction {
        var code: UInt16
        var whenTrue: Int
        var whenFalse: Int
        var constant: UInt32
    }

    private var count: Int { bytes.count / 8 }

    private func instruction(_ place: Int) -> Instruction {
        let start = place * 8
        return Instruction(
            code: UInt16(bytes[start]) | UInt16(bytes[start + 1]) << 8, whenTrue: Int(bytes[start + 2]),
            whenFalse: Int(bytes[start + 3]),
            constant: (0..<4).reduce(0) { $0 | UInt32(bytes[start + 4 + $1]) << (8 * $1) })
    }

    /// Whether it can hand a call to a listener in user space (SECCOMP_RET_USER_NOTIF), whose descriptor nobody can make
    /// again. A program that computes its answer may.
    var asksListener: Bool {
        let (returnConstant, returnAccumulator): (UInt16, UInt16) = (0x06, 0x16)
        let (userNotification, action): (UInt32, UInt32) = (0x7fc0_0000, 0xffff_0000)
        return (0..<count).contains { place in
            let one = instruction(place)
            return one.code == returnAccumulator
                || one.code == returnConstant && one.constant & action == userNotification
        }
    }

    /// What it answers for a call of 64-bit code with these arguments; nil where it is no program.
    func answer(_ call: Int, _ arguments: [UInt64]) -> Answer? {
        let machine: UInt32 = 0xc000_003e
        // struct seccomp_data: number, architecture, instruction pointer, six arguments.
        var data = [UInt32(truncatingIfNeeded: call), machine, 0, 0]
        for place in 0..<6 {
            let value = place < arguments.count ? arguments[place] : 0
            data += [UInt32(truncatingIfNeeded: value), UInt32(value >> 32)]
        }
        guard let value = run(data) else { return nil }
        switch value & 0xffff_0000 {
        case 0x7fff_0000: return .allow
        case 0x8000_0000, 0x0000_0000, 0x0003_0000: return .kill
        default: return .other(value)
        }
    }

    /// Runs the program on a `struct seccomp_data`; the jumps lead forward only. See Documentation/networking/filter.rst.
    private func run(_ data: [UInt32]) -> UInt32? {
        var (a, x): (UInt32, UInt32) = (0, 0)
        var memory = [UInt32](repeating: 0, count: 16)
        var place = 0
        while place < count {
            let one = instruction(place)
            let constant = Int(one.constant)
            let operand = one.code & 0x08 != 0 ? x : one.constant
            place += 1
            switch one.code {
            case 0x20:
                guard constant % 4 == 0, constant / 4 < data.count else { return nil }
                a = data[constant / 4]
            case 0x00: a = one.constant
            case 0x01: x = one.constant
            case 0x80: a = UInt32(data.count * 4)
            case 0x81: x = UInt32(data.count * 4)
            case 0x60, 0x61, 0x02, 0x03:
                guard constant < memory.count else { return nil }
                switch one.code {
                case 0x60: a = memory[constant]
                case 0x61: x = memory[constant]
                case 0x02: memory[constant] = a
                default: memory[constant] = x
                }
            case 0x05: place += constant
            case 0x15, 0x1d: place += a == operand ? one.whenTrue : one.whenFalse
            case 0x25, 0x2d: place += a > operand ? one.whenTrue : one.whenFalse
            case 0x35, 0x3d: place += a >= operand ? one.whenTrue : one.whenFalse
            case 0x45, 0x4d: place += a & operand != 0 ? one.whenTrue : one.whenFalse
            case 0x06: return one.constant
            case 0x16: return a
            case 0x07: x = a
            case 0x87: a = x
            default:
                guard one.code & 0x07 == 0x04, let value = Self.compute(one.code & 0xf0, a, operand) else {
                    return nil
                }
                a = value
            }
        }
        return nil
    }

    private static func compute(_ operation: UInt16, _ a: UInt32, _ b: UInt32) -> UInt32? {
        switch operation {
        case 0x00: a &+ b
        case 0x10: a &- b
        case 0x20: a &* b
        // Division by nothing ends a program with 0.
        case 0x30: b == 0 ? 0 : a / b
        case 0x40: a | b
        case 0x50: a & b
        case 0x60: b > 31 ? 0 : a << b
        case 0x70: b > 31 ? 0 : a >> b
        case 0x80: 0 &- a
        case 0xa0: a ^ b
        default: nil
        }
    }
}
