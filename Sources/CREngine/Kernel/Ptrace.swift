import CPlatform

/// ptrace(2), one function a request. Every call must come from the thread that seized the task.
package enum Ptrace {
    /// Attaches without stopping the task. Options are CP_PTRACE_O_*.
    package static func seize(_ tid: TID, options: Int) throws(Errno) {
        try request(CP_PTRACE_SEIZE, tid, 0, options)
    }

    /// Asks for a stop; it is reported as an event stop through wait4(2).
    package static func interrupt(_ tid: TID) throws(Errno) {
        try request(CP_PTRACE_INTERRUPT, tid, 0, 0)
    }

    package static func setOptions(_ tid: TID, _ options: Int) throws(Errno) {
        try request(CP_PTRACE_SETOPTIONS, tid, 0, options)
    }

    /// Lets a stopped task run on, with a signal delivered or with none (0).
    package static func resume(_ tid: TID, signal: Int32 = 0) throws(Errno) {
        try request(CP_PTRACE_CONT, tid, 0, Int(signal))
    }

    /// Lets a stopped task run to the next entry to or exit from a system call, with a signal delivered or none (0).
    package static func resumeToSystemCall(_ tid: TID, signal: Int32 = 0) throws(Errno) {
        try request(CP_PTRACE_SYSCALL, tid, 0, Int(signal))
    }

    /// Lets a stopped task go; it runs on with the registers that it has now.
    package static func detach(_ tid: TID, signal: Int32 = 0) throws(Errno) {
        try request(CP_PTRACE_DETACH, tid, 0, Int(signal))
    }

    /// Message of the last event: the new task's id after a fork or clone event.
    package static func eventMessage(_ tid: TID) throws(Errno) -> UInt {
        var message: UInt = 0
        try withUnsafeMutablePointer(to: &message) { (pointer) throws(Errno) -> Void in
            try request(CP_PTRACE_GETEVENTMSG, tid, 0, Int(bitPattern: pointer))
        }
        return message
    }

    package static func registers(_ tid: TID) throws(Errno) -> RegisterImage {
        var registers = RegisterImage()
        let count = try regset(CP_PTRACE_GETREGSET, tid, CP_NT_PRSTATUS, &registers)
        // A 32-bit task gives 68 bytes; the planner refuses those.
        if count != MemoryLayout<RegisterImage>.size { throw .invalid }
        return registers
    }

    package static func setRegisters(_ tid: TID, _ registers: RegisterImage) throws(Errno) {
        var copy = registers
        _ = try regset(CP_PTRACE_SETREGSET, tid, CP_NT_PRSTATUS, &copy)
    }

    /// The XSAVE area in the standard layout, sw_reserved bytes included (arch/x86/kernel/fpu/regset.c).
    package static func extendedState(_ tid: TID) throws(Errno) -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: 16384)
        var count = buffer.count
        try buffer.withUnsafeMutableBytes { raw in
            regsetBytes(CP_PTRACE_GETREGSET, tid, CP_NT_X86_XSTATE, raw).map { count = $0 }
        }.get()
        return Array(buffer[0..<count])
    }

    package static func setExtendedState(_ tid: TID, _ area: [UInt8]) throws(Errno) {
        var copy = area
        try copy.withUnsafeMutableBytes { raw in
            regsetBytes(CP_PTRACE_SETREGSET, tid, CP_NT_X86_XSTATE, raw).map { _ in }
        }.get()
    }

    /// Blocked signals, bit n-1 is signal n; of a call that swaps the mask for its duration, the mask after it.
    package static func signalMask(_ tid: TID) throws(Errno) -> UInt64 {
        var mask: UInt64 = 0
        try withUnsafeMutablePointer(to: &mask) { (pointer) throws(Errno) -> Void in
            try request(CP_PTRACE_GETSIGMASK, tid, 8, Int(bitPattern: pointer))
        }
        return mask
    }

    package static func setSignalMask(_ tid: TID, _ mask: UInt64) throws(Errno) {
        var copy = mask
        try withUnsafeMutablePointer(to: &copy) { (pointer) throws(Errno) -> Void in
            try request(CP_PTRACE_SETSIGMASK, tid, 8, Int(bitPattern: pointer))
        }
    }

    /// Pending signals as raw siginfo_t of 128 bytes, in order; nothing is taken from the queue.
    package static func pendingSignals(_ tid: TID, shared: Bool) throws(Errno) -> [[UInt8]] {
        var all: [[UInt8]] = []
        var buffer = [UInt8](repeating: 0, count: 128 * 32)
        while true {
            var arguments = cp_peeksiginfo_args(
                off: UInt64(all.count), flags: shared ? UInt32(CP_PTRACE_PEEKSIGINFO_SHARED) : 0, nr: 32)
            let result = buffer.withUnsafeMutableBytes { raw in
                withUnsafeMutablePointer(to: &arguments) { pointer in
                    cp_syscall(
                        CP_SYS_ptrace, CP_PTRACE_PEEKSIGINFO, Int(tid.rawValue), Int(bitPattern: pointer),
                        Int(bitPattern: raw.baseAddress), 0, 0)
                }
            }
            if result < 0 { throw Errno(rawValue: Int32(-result)) }
            for index in 0..<result { all.append(Array(buffer[index * 128..<(index + 1) * 128])) }
            if result < 32 { return all }
        }
    }

    /// The filter of a thread that was installed as number `index`, the oldest is 0: 8 bytes an instruction. Throws ENOENT
    /// where it has not as many, EMEDIUMTYPE for one that was made otherwise than by seccomp(2).
    package static func seccompFilter(_ tid: TID, _ index: UInt64) throws(Errno) -> [UInt8] {
        let count = try systemCallOnce(
            CP_SYS_ptrace, CP_PTRACE_SECCOMP_GET_FILTER, Int(tid.rawValue), Int(index), 0)
        var program = [UInt8](repeating: 0, count: count * 8)
        try program.withUnsafeMutableBufferPointer { (buffer) throws(Errno) -> Void in
            try request(CP_PTRACE_SECCOMP_GET_FILTER, tid, Int(index), Int(bitPattern: buffer.baseAddress))
        }
        return program
    }

    /// SECCOMP_FILTER_FLAG_* of the same; only _LOG (2) can be told. 0 on kernels before 4.16.
    package static func seccompFlags(_ tid: TID, _ index: UInt64) throws(Errno) -> UInt32 {
        var metadata: (filter: UInt64, flags: UInt64) = (index, 0)
        do throws(Errno) {
            try withUnsafeMutablePointer(to: &metadata) { (pointer) throws(Errno) -> Void in
                try request(CP_PTRACE_SECCOMP_GET_METADATA, tid, 16, Int(bitPattern: pointer))
            }
        } catch {
            if error == .io || error == .invalid { return 0 }
            throw error
        }
        return UInt32(truncatingIfNeeded: metadata.flags)
    }

    /// Registration of rseq(2), nil where there is none. Linux 5.13.
    package static func rseq(_ tid: TID) throws(Errno) -> RseqImage? {
        var configuration = cp_rseq_configuration()
        try withUnsafeMutablePointer(to: &configuration) { (pointer) throws(Errno) -> Void in
            try request(
                CP_PTRACE_GET_RSEQ_CONFIGURATION, tid, MemoryLayout<cp_rseq_configuration>.size,
                Int(bitPattern: pointer))
        }
        if configuration.rseq_abi_pointer == 0 { return nil }
        return RseqImage(
            pointer: configuration.rseq_abi_pointer, size: configuration.rseq_abi_size,
            signature: configuration.signature)
    }

    /// True where syscall user dispatch is on. False on kernels before 6.4, which cannot tell.
    package static func dispatchesSystemCalls(_ tid: TID) throws(Errno) -> Bool {
        var configuration = cp_sud_config()
        do throws(Errno) {
            try withUnsafeMutablePointer(to: &configuration) { (pointer) throws(Errno) -> Void in
                try request(
                    CP_PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG, tid, MemoryLayout<cp_sud_config>.size,
                    Int(bitPattern: pointer))
            }
        } catch {
            if error == .invalid || error == .io { return false }
            throw error
        }
        return configuration.mode != 0
    }

    /// Writes eight bytes whatever the protection of the page.
    package static func poke(_ tid: TID, _ address: RemoteAddress, _ word: UInt64) throws(Errno) {
        try request(
            CP_PTRACE_POKEDATA, tid, Int(bitPattern: UInt(address.rawValue)), Int(bitPattern: UInt(word)))
    }

    private static func request(_ request: Int, _ tid: TID, _ address: Int, _ data: Int) throws(Errno) {
        try systemCallOnce(CP_SYS_ptrace, request, Int(tid.rawValue), address, data)
    }

    private static func regset(
        _ request: Int, _ tid: TID, _ kind: Int, _ registers: inout RegisterImage
    ) throws(Errno) -> Int {
        try withUnsafeMutableBytes(of: &registers) { raw in regsetBytes(request, tid, kind, raw) }.get()
    }

    private static func regsetBytes(
        _ request: Int, _ tid: TID, _ kind: Int, _ bytes: UnsafeMutableRawBufferPointer
    ) -> Result<Int, Errno> {
        var vector = iovec(iov_base: bytes.baseAddress, iov_len: bytes.count)
        let result = withUnsafeMutablePointer(to: &vector) { pointer in
            cp_syscall(CP_SYS_ptrace, request, Int(tid.rawValue), kind, Int(bitPattern: pointer), 0, 0)
        }
        return result < 0 ? .failure(Errno(rawValue: Int32(-result))) : .success(vector.iov_len)
    }
}
