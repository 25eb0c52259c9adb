import CPlatform

/// Puts together a program that the kernel runs for each thread, memory area or descriptor of a process, and that reads and never
/// writes. See Documentation/bpf/bpf_iterators.rst and Documentation/bpf/standardization/instruction-set.rst.
///
/// Registers: 0 is the result of a helper, 1...5 its arguments, which it destroys; 6...9 stay; 10 is the end of the stack.
struct KernelProgram {
    /// What it is run for.
    enum Subject {
        /// struct vm_area_struct
        case area
        /// struct task_struct of the leader
        case task
        /// struct task_struct of every thread
        case thread
        /// struct file of each descriptor
        case descriptor

        /// The kernel's function that has the context as arguments, and where in the context the subject is.
        var iterator: (function: String, place: Int32) {
            switch self {
            case .area: ("bpf_iter_task_vma", 16)
            case .task, .thread: ("bpf_iter_task", 8)
            case .descriptor: ("bpf_iter_task_file", 24)
            }
        }
    }
    let subject: Subject
    private(set) var code: [UInt64] = []
    /// Jumps to the end.
    private var leaving: [Int] = []

    static let stack = 10

    /// The context in register 6, the subject in 7. Without a subject it is the end.
    init(_ subject: Subject) {
        self.subject = subject
        copy(6, from: 1)
        load(7, from: 6, subject.iterator.place)
        leaveIfZero(7)
    }

    mutating func copy(_ to: Int, from: Int) { append(0xbf, to, from) }
    mutating func set(_ register: Int, _ value: Int32) { append(0xb7, register, value: value) }
    mutating func add(_ register: Int, _ value: Int32) { append(0x07, register, value: value) }
    mutating func add(_ register: Int, register other: Int) { append(0x0f, register, other) }
    mutating func subtract(_ register: Int, register other: Int) { append(0x1f, register, other) }
    mutating func and(_ register: Int, _ value: Int32) { append(0x57, register, value: value) }
    mutating func shiftLeft(_ register: Int, _ bits: Int32) { append(0x67, register, value: bits) }
    /// Eight bytes at an offset from an address.
    mutating func load(_ to: Int, from: Int, _ offset: Int32) { append(0x79, to, from, offset) }
    /// Four bytes; the other half of the register becomes zero.
    mutating func loadHalf(_ to: Int, from: Int, _ offset: Int32) { append(0x61, to, from, offset) }
    mutating func store(_ register: Int, at offset: Int32) { append(0x7b, Self.stack, register, offset) }
    mutating func call(_ helper: Int32) { append(0x85, 0, value: helper) }

    mutating func leaveIfZero(_ register: Int) {
        leaving.append(code.count)
        append(0x15, register)
    }
    mutating func leaveIfEqual(_ register: Int, _ other: Int) {
        leaving.append(code.count)
        append(0x1d, register, other)
    }
    mutating func leaveUnlessEqual(_ register: Int, _ other: Int) {
        leaving.append(code.count)
        append(0x5d, register, other)
    }

    /// Runs what `body` appends only where the register is not zero.
    mutating func ifNotZero(_ register: Int, _ body: (inout KernelProgram) -> Void) {
        conditional(0x15, register, body)
    }
    mutating func ifZero(_ register: Int, _ body: (inout KernelProgram) -> Void) {
        conditional(0x55, register, body)
    }

    /// `operation` jumps over what `body` appends.
    private mutating func conditional(
        _ operation: UInt64, _ register: Int, _ body: (inout KernelProgram) -> Void
    ) {
        let place = code.count
        append(operation, register)
        body(&self)
        code[place] |= UInt64(UInt16(code.count - place - 1)) << 16
    }

    /// Runs what `body` appends again and again, until it leaves, at most `limit` times. Register 9 counts.
    mutating func loop(_ limit: Int32, _ body: (inout KernelProgram) -> Void) {
        set(9, 0)
        let start = code.count
        body(&self)
        add(9, 1)
        let back = start - code.count - 1
        append(0xa5, 9, 0, Int32(back), value: limit)
    }

    mutating func loadMap(_ register: Int, _ descriptor: Int32) {
        let isMap = 1
        append(0x18, register, isMap, value: descriptor)
        append(0, 0)
    }

    /// Loads the words of a cell into registers from `register` on; `place` on the stack is overwritten.
    mutating func loadCell(_ cell: KernelCell, into register: Int, place: Int32) {
        let lookUp: Int32 = 1
        set(1, 0)
        store(1, at: place)
        loadMap(1, cell.descriptor.rawValue)
        copy(2, from: Self.stack)
        add(2, place)
        call(lookUp)
        leaveIfZero(0)
        for word in 0..<cell.words { load(register + word, from: 0, Int32(word * 8)) }
    }

    /// Copies memory of the kernel to the stack, wherever register 3 and the offset lead; zeros where nothing is.
    mutating func read(_ size: Int32, at offset: Int32 = 0, to place: Int32) {
        let probeReadKernel: Int32 = 113
        if offset != 0 { add(3, offset) }
        copy(1, from: Self.stack)
        add(1, place)
        set(2, size)
        call(probeReadKernel)
    }

    /// Bytes of the stack become part of what the reader gets.
    mutating func write(_ size: Int32, from place: Int32) {
        let seqWrite: Int32 = 127
        load(1, from: 6, 0)
        load(1, from: 1, 0)
        copy(2, from: Self.stack)
        add(2, place)
        set(3, size)
        call(seqWrite)
    }

    mutating func finish() {
        for place in leaving {
            code[place] |= UInt64(UInt16(code.count - place - 1)) << 16
        }
        set(0, 0)
        append(0x95, 0)
    }

    private mutating func append(
        _ operation: UInt64, _ to: Int, _ from: Int = 0, _ offset: Int32 = 0, value: Int32 = 0
    ) {
        code.append(
            operation | UInt64(to) << 8 | UInt64(from) << 12
                | UInt64(UInt16(truncatingIfNeeded: offset)) << 16
                | UInt64(UInt32(bitPattern: value)) << 32)
    }
}

/// Words that a program reads when it is run, and we set before.
final class KernelCell: Sendable {
    fileprivate let descriptor: OwnedFD
    fileprivate let words: Int

    init(words: Int) throws(Errno) {
        let result = cp_bpf_cell(UInt32(words * 8))
        if result < 0 { throw Errno(rawValue: -result) }
        descriptor = OwnedFD(taking: result)
        self.words = words
    }

    func set(_ values: [UInt64]) throws(Errno) {
        precondition(values.count == words)
        let result = cp_bpf_set(descriptor.rawValue, values)
        if result < 0 { throw Errno(rawValue: -result) }
    }
}

/// A loaded program.
final class KernelIterator: Sendable {
    private let program: OwnedFD
    private let subject: KernelProgram.Subject

    /// Throws EPERM without CAP_BPF and CAP_PERFMON, and what else bpf(2) refuses.
    init(_ program: KernelProgram, types: KernelTypes) throws(Errno) {
        let function = try types.iterator(program.subject.iterator.function)
        let result = program.code.withUnsafeBufferPointer {
            cp_bpf_load_iterator($0.baseAddress, $0.count, function)
        }
        if result < 0 { throw Errno(rawValue: -result) }
        self.program = OwnedFD(taking: result)
        subject = program.subject
    }

    /// All that the program wrote for one process.
    func run(_ pid: PID) throws(Errno) -> [UInt8] {
        let result = cp_bpf_iterate(
            program.rawValue, pid.rawValue, subject == .task || subject == .descriptor)
        if result < 0 { throw Errno(rawValue: -result) }
        return try OwnedFD(taking: result).readToEnd()
    }
}
