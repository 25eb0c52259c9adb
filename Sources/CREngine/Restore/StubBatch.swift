import CPlatform

/// System calls that a stub makes one after the other, with a stop only behind the last or the first that fails.
///
/// A call by stops takes four switches between the stub and us, which of a process with tens of thousands of mappings are
/// most of its restore. The loop that makes them lies in the last page of the scratch memory, which can be executed as long
/// as the batch is there.
struct StubBatch {
    /// The arguments of a call.
    struct Call {
        var number: Int
        var arguments: (Int, Int, Int, Int, Int, Int)
    }

    /// Below this many calls the loop costs more than it gains.
    static let worthFrom = 8
    /// Calls that are made between two stops at most.
    static let capacity = 4096

    private static let entrySize = 64
    private static let tableOffset = 0x1000
    private static let codeOffset = StubLayout.scratchSize - pageSize

    /// RBX is the entry, R12 the end of the table. An entry is the number of a call, its six arguments and
    /// its result.
    private static let code: [UInt8] = [
        0x4c, 0x39, 0xe3,  // again: cmp rbx, r12
        0x73, 0x2f,  // jae done
        0x48, 0x8b, 0x03,  // mov rax, [rbx]
        0x48, 0x8b, 0x7b, 0x08,  // mov rdi, [rbx+8]
        0x48, 0x8b, 0x73, 0x10,  // mov rsi, [rbx+16]
        0x48, 0x8b, 0x53, 0x18,  // mov rdx, [rbx+24]
        0x4c, 0x8b, 0x53, 0x20,  // mov r10, [rbx+32]
        0x4c, 0x8b, 0x43, 0x28,  // mov r8, [rbx+40]
        0x4c, 0x8b, 0x4b, 0x30,  // mov r9, [rbx+48]
        0x0f, 0x05,  // syscall
        0x48, 0x89, 0x43, 0x38,  // mov [rbx+56], rax
        0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff,  // cmp rax, -4095
        0x73, 0x06,  // jae done
        0x48, 0x83, 0xc3, 0x40,  // add rbx, 64
        0xeb, 0xcc,  // jmp again
        0xb8, 0xba, 0x00, 0x00, 0x00,  // done: mov eax, SYS_gettid
        0x0f, 0x05,  // syscall
        0x89, 0xc7,  // mov edi, eax
        0xb8, 0xc8, 0x00, 0x00, 0x00,  // mov eax, SYS_tkill
        0xbe, 0x13, 0x00, 0x00, 0x00,  // mov esi, SIGSTOP
        0x0f, 0x05,  // syscall
        0x0f, 0x0b,  // ud2
    ]

    private let thread: StubThread

    /// Nil where the kernel lets no memory be executed that was written.
    init?(_ thread: StubThread) throws(RestoreError) {
        self.thread = thread
        let page = try thread.put(Self.code, at: Self.codeOffset)
        let readAndRun = 5
        guard case .success = try thread.attempt("mprotect", CP_SYS_mprotect, page, pageSize, readAndRun)
        else { return nil }
    }

    /// Makes calls up to the first that fails, at most `capacity`, and returns how many were made.
    func run(_ calls: some Collection<Call>) throws(RestoreError) -> Int {
        precondition(calls.count <= Self.capacity)
        var words: [UInt64] = []
        words.reserveCapacity(calls.count * Self.entrySize / 8)
        for call in calls {
            let (a, b, c, d, e, f) = call.arguments
            for word in [call.number, a, b, c, d, e, f, 0] { words.append(UInt64(bitPattern: Int64(word))) }
        }
        let start = UInt64(try thread.put(words.withUnsafeBytes { Array($0) }, at: Self.tableOffset))
        var registers = thread.template
        registers.ip = (thread.scratch + Self.codeOffset).rawValue
        registers.bx = start
        registers.r12 = start + UInt64(words.count * 8)
        registers.origAx = .max
        do throws(Errno) {
            try Ptrace.setRegisters(thread.tid, registers)
            try runToStop()
            return Int(try Ptrace.registers(thread.tid).bx - start) / Self.entrySize
        } catch {
            throw RestoreError(
                "task \(thread.tid)", "\(calls.count) calls could not be made in the task", errno: error)
        }
    }

    /// Makes scratch memory of the loop again.
    func end() throws(RestoreError) {
        let readAndWrite = 3
        try thread.call(
            "mprotect", CP_SYS_mprotect, Int((thread.scratch + Self.codeOffset).rawValue), pageSize,
            readAndWrite)
    }

    /// Lets the thread run until it stops itself, which the next resume makes undone.
    private func runToStop() throws(Errno) {
        let stop: Int32 = 19
        while true {
            try Ptrace.resume(thread.tid)
            let status = try Wait.one(thread.tid)
            if status == .signalStop(signal: stop) { return }
            if status.isEnd { throw .noProcess }
        }
    }
}
