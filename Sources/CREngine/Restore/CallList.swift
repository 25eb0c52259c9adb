import CPlatform

/// System calls that a thread of a tree being built makes one after the other, without a stop in between.
///
/// A call of its own costs three switches to the thread and back; in a list it costs what the kernel does for it. All
/// calls are made, also those behind one that fails, so a list holds only what may follow a failure: a restore that
/// fails kills its tasks anyway. The list ends with a SIGTRAP of the thread's own, which alone is not blocked meanwhile
/// and which we take away; so lists are for the time before the pending signals of the image are queued.
struct CallList {
    /// Size of the page that holds the code, behind the scratch area.
    static let codeSize = 0x1000
    /// Where lists lie in the scratch area; what their calls point to must lie below.
    static let scratchOffset = 0x40000
    /// Calls that are made in one go.
    private static let room = (StubLayout.scratchSize - scratchOffset) / entrySize
    /// Number, six arguments, result: 8 bytes each.
    private static let entrySize = 64
    private static let trap: Int32 = 5

    private var names: [StaticString] = []
    private var words: [Int] = []

    var count: Int { names.count }
    var isEmpty: Bool { names.isEmpty }

    mutating func add(
        _ name: StaticString, _ number: Int, _ a: Int = 0, _ b: Int = 0, _ c: Int = 0, _ d: Int = 0,
        _ e: Int = 0, _ f: Int = 0
    ) {
        names.append(name)
        words += [number, a, b, c, d, e, f, 0]
    }

    /// Makes the calls and returns their values, -errno of one that failed.
    func attempt(in thread: StubThread) throws(RestoreError) -> [Int] {
        var results: [Int] = []
        results.reserveCapacity(count)
        for start in stride(from: 0, to: count, by: Self.room) {
            results += try Self.run(words[(start * 8)..<(min(start + Self.room, count) * 8)], in: thread)
        }
        return results
    }

    /// Makes the calls and returns their values. The first that failed is thrown, when all have been made.
    @discardableResult
    func run(in thread: StubThread) throws(RestoreError) -> [Int] {
        let results = try attempt(in: thread)
        if let failed = results.firstIndex(where: { $0 < 0 && $0 >= -4095 }) {
            throw RestoreError(
                "task \(thread.tid)", "\(names[failed])(2) made in the task failed",
                errno: Errno(rawValue: Int32(-results[failed])))
        }
        return results
    }

    /// Makes the calls with a stop at each, until one fails; at any time.
    func runSingly(in thread: StubThread) throws(RestoreError) {
        for (index, name) in names.enumerated() {
            let call = Array(words[index * 8..<index * 8 + 7])
            try thread.call("\(name)", call[0], call[1], call[2], call[3], call[4], call[5], call[6])
        }
    }

    /// Makes what fits into the scratch area.
    private static func run(_ words: ArraySlice<Int>, in thread: StubThread) throws(RestoreError) -> [Int] {
        let count = words.count / 8
        let list = try thread.put(words.withUnsafeBytes { Array($0) }, at: scratchOffset)
        do throws(Errno) {
            try Ptrace.setSignalMask(thread.tid, ~(1 << UInt64(trap - 1)))
            var registers = thread.template
            registers.ip = (thread.scratch + StubLayout.scratchSize).rawValue
            registers.origAx = .max
            registers.bx = UInt64(list)
            registers.bp = UInt64(count)
            registers.sp = 0
            try Ptrace.setRegisters(thread.tid, registers)
            try runToEnd(thread.tid, registers.ip + UInt64(endOffset))
            try Ptrace.setSignalMask(thread.tid, .max)
            let answer = try RemoteMemory.bytes(
                PID(thread.tid.rawValue), RemoteAddress(UInt64(list)), count: count * entrySize)
            return answer.withUnsafeBytes { raw in
                (0..<count).map { raw.loadUnaligned(fromByteOffset: $0 * entrySize + 56, as: Int.self) }
            }
        } catch {
            throw RestoreError("task \(thread.tid)", "its system calls could not be made", errno: error)
        }
    }

    /// Signals that others send meanwhile are passed over.
    private static func runToEnd(_ tid: TID, _ end: UInt64) throws(Errno) {
        while true {
            try Ptrace.resume(tid)
            switch try Wait.one(tid) {
            case .signalStop(Self.trap):
                if try Ptrace.registers(tid).ip == end { return }
            case .signalStop(let signal) where [4, 7, 8, 11].contains(signal):
                // Of its own doing: it does not run our code.
                throw .fault
            case .exited, .killed: throw .noProcess
            case .signalStop, .interruptStop, .groupStop, .event, .systemCallStop, .continued: continue
            }
        }
    }

    // MARK: Code

    /// Walks the list at RBX, RBP calls long, and then has the thread send itself SIGTRAP. R12 to R15, the stack and the
    /// memory outside the list are not touched.
    private static let code: [UInt8] =
        [
            0x48, 0x8b, 0x03,  // mov rax, [rbx]
            0x48, 0x8b, 0x7b, 8,  // mov rdi, [rbx+8]
            0x48, 0x8b, 0x73, 16,  // mov rsi, [rbx+16]
            0x48, 0x8b, 0x53, 24,  // mov rdx, [rbx+24]
            0x4c, 0x8b, 0x53, 32,  // mov r10, [rbx+32]
            0x4c, 0x8b, 0x43, 40,  // mov r8, [rbx+40]
            0x4c, 0x8b, 0x4b, 48,  // mov r9, [rbx+48]
            0x0f, 0x05,  // syscall
            0x48, 0x89, 0x43, 56,  // mov [rbx+56], rax
            0x48, 0x83, 0xc3, 64,  // add rbx, 64
            0x48, 0xff, 0xcd,  // dec rbp
            0x75, 0xd6,  // jnz to the beginning
            0xb8, 186, 0, 0, 0,  // mov eax, gettid
            0x0f, 0x05,  // syscall
            0x89, 0xc7,  // mov edi, eax
            0xbe, 5, 0, 0, 0,  // mov esi, SIGTRAP
            0xb8, 200, 0, 0, 0,  // mov eax, tkill
            0x0f, 0x05,  // syscall
        ]
    /// Where the thread stands when its list is done.
    private static let endOffset = code.count

    /// Maps the code behind the scratch area of a stub. The tree made from it inherits both.
    static func mapCode(_ stub: StubThread) throws(RestoreError) {
        let place = stub.scratch + StubLayout.scratchSize
        // PROT_READ|PROT_EXEC, MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED_NOREPLACE; never writable for the task.
        try stub.call("mmap", CP_SYS_mmap, Int(place.rawValue), codeSize, 5, 0x10_0022, -1, 0)
        // ud2 behind the end.
        let bytes = code + [0x0f, 0x0b] + [UInt8](repeating: 0xcc, count: 8)
        try RestoreError.about("task \(stub.tid)", "code cannot be put into it") {
            () throws(Errno) -> Void in
            for offset in stride(from: 0, to: bytes.count - 7, by: 8) {
                let word = bytes[offset..<offset + 8].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
                try Ptrace.poke(stub.tid, place + offset, word)
            }
        }
    }
}
