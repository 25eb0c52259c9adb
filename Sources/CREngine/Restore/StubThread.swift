import CPlatform

/// One thread of a tree that is being built: stopped, every signal blocked, and it runs nothing but the system
/// calls that we make in it.
///
/// A call points its registers at a `syscall` instruction of its vdso and lets it run to the entry and to the exit.
/// It has no registers of its own to be put back: those of the image come last. See ptrace(2).
struct StubThread: Sendable {
    /// As we see it; in a pid namespace of its own it has another number besides.
    let tid: TID
    /// Where the system calls' structures go: `StubLayout.scratchSize` bytes, writable.
    let scratch: RemoteAddress
    /// Address of the bytes 0F 05.
    var gadget: RemoteAddress
    /// Selectors and flags that a register set needs to be accepted.
    let template: RegisterImage
    /// Whether the kernel lets the thread choose the numbers of the tasks that it makes.
    var choosesIDs = true

    /// Makes a system call in the thread and returns its value.
    @discardableResult
    func call(
        _ name: String, _ number: Int, _ a: Int = 0, _ b: Int = 0, _ c: Int = 0, _ d: Int = 0, _ e: Int = 0,
        _ f: Int = 0
    ) throws(RestoreError) -> Int {
        switch try attempt(name, number, a, b, c, d, e, f) {
        case .success(let value): return value
        case .failure(let errno):
            throw RestoreError("task \(tid)", "\(name)(2) made in the task failed", errno: errno)
        }
    }

    /// As `call`, for calls whose refusal the caller understands.
    func attempt(
        _ name: String, _ number: Int, _ a: Int = 0, _ b: Int = 0, _ c: Int = 0, _ d: Int = 0, _ e: Int = 0,
        _ f: Int = 0
    ) throws(RestoreError) -> Result<Int, Errno> {
        try perform(name, number, a, b, c, d, e, f).result
    }

    /// `child`: the task that the call made, as we see it.
    private func perform(
        _ name: String, _ number: Int, _ a: Int, _ b: Int, _ c: Int = 0, _ d: Int = 0, _ e: Int = 0,
        _ f: Int = 0
    ) throws(RestoreError) -> (result: Result<Int, Errno>, child: TID?) {
        func word(_ value: Int) -> UInt64 { UInt64(bitPattern: Int64(value)) }
        if let refusal = KernelFeature.refusal(number, word(a), word(b), word(c)) {
            return (.failure(refusal), nil)
        }
        var registers = template
        registers.ip = gadget.rawValue
        registers.ax = UInt64(number)
        // Else the kernel would restart a call of its own choice on the way out.
        registers.origAx = .max
        registers.di = UInt64(bitPattern: Int64(a))
        registers.si = UInt64(bitPattern: Int64(b))
        registers.dx = UInt64(bitPattern: Int64(c))
        registers.r10 = UInt64(bitPattern: Int64(d))
        registers.r8 = UInt64(bitPattern: Int64(e))
        registers.r9 = UInt64(bitPattern: Int64(f))
        registers.sp = 0
        let result: Int
        var child: TID?
        do throws(Errno) {
            try Ptrace.setRegisters(tid, registers)
            try runToSystemCallStop(&child)
            try runToSystemCallStop(&child)
            result = Int(Int64(bitPattern: try Ptrace.registers(tid).ax))
        } catch {
            throw RestoreError("task \(tid)", "\(name)(2) could not be made in the task", errno: error)
        }
        if result < 0 && result >= -4095 { return (.failure(Errno(rawValue: Int32(-result))), nil) }
        return (.success(result), child)
    }

    /// Makes a system call that ends the thread, and waits for its end.
    func end(_ name: String, _ number: Int) throws(RestoreError) {
        do throws(Errno) {
            var registers = template
            registers.ip = gadget.rawValue
            registers.ax = UInt64(number)
            registers.origAx = .max
            (registers.di, registers.sp) = (0, 0)
            try Ptrace.setRegisters(tid, registers)
            try Ptrace.resume(tid)
            while try !Wait.one(tid).isEnd {}
        } catch {
            throw RestoreError("task \(tid)", "\(name)(2) could not be made in the task", errno: error)
        }
    }

    /// Puts bytes into the scratch area and returns their address as an argument.
    func put(_ bytes: [UInt8], at offset: Int = 0) throws(RestoreError) -> Int {
        precondition(offset + bytes.count <= StubLayout.scratchSize)
        let address = scratch + offset
        do throws(Errno) {
            try RemoteMemory.write(PID(tid.rawValue), address, bytes)
        } catch {
            throw RestoreError("task \(tid)", "its scratch memory cannot be written", errno: error)
        }
        return Int(address.rawValue)
    }

    /// As `put`, for one value of a type without references.
    func put<Value: BitwiseCopyable>(_ value: Value, at offset: Int = 0) throws(RestoreError) -> Int {
        try put(withUnsafeBytes(of: value) { Array($0) }, at: offset)
    }

    /// Reads back what a system call left in the scratch area.
    func scratchValue<Value: BitwiseCopyable>(
        at offset: Int = 0, as type: Value.Type
    ) throws(RestoreError) -> Value {
        do throws(Errno) {
            return try RemoteMemory.value(PID(tid.rawValue), scratch + offset, as: type)
        } catch {
            throw RestoreError("task \(tid)", "its scratch memory cannot be read", errno: error)
        }
    }

    /// Makes a task with clone3(2) and returns it stopped, traced as this one is. `newTID` is its number in the pid
    /// namespace of this one.
    func spawn(_ newTID: TID, flags: UInt64, exitSignal: UInt64) throws(RestoreError) -> StubThread {
        if !choosesIDs { return try spawnInTurn(newTID, flags: flags, exitSignal: exitSignal) }
        var arguments = cp_clone_args()
        arguments.flags = flags
        arguments.exit_signal = exitSignal
        arguments.set_tid = scratch.rawValue + 128
        arguments.set_tid_size = 1
        _ = try put(newTID.rawValue, at: 128)
        return try clone(arguments, newTID)
    }

    /// clone3(2) in this thread. `newTID` is what messages call the new one.
    func clone(_ arguments: cp_clone_args, _ newTID: TID) throws(RestoreError) -> StubThread {
        let made = try perform(
            "clone3", CP_SYS_clone3, try put(arguments), MemoryLayout<cp_clone_args>.size)
        switch made.result {
        case .success: break
        case .failure(let errno):
            throw RestoreError(
                "task \(newTID)", "cannot be made with its old id", errno: errno,
                remedy: errno == .exists ? "end whoever has this id, or wait for it" : nil)
        }
        guard let child = made.child else {
            throw RestoreError("task \(newTID)", "was made, and the kernel did not tell its number")
        }
        do throws(Errno) {
            let status = try Wait.one(child)
            if status.isEnd { throw .noProcess }
            try Ptrace.setSignalMask(child, .max)
        } catch {
            // Nobody else knows of it yet; of one that has ended the number may be another's by now.
            if error != .noProcess { _ = cp_syscall(CP_SYS_kill, Int(child.rawValue), 9, 0, 0, 0, 0) }
            throw RestoreError("task \(newTID)", "ended before it was built", errno: error)
        }
        var stub = StubThread(tid: child, scratch: scratch, gadget: gadget, template: template)
        stub.choosesIDs = choosesIDs
        return stub
    }

    /// Lets the thread run to the next entry or exit; other stops on the way are passed over, and tell of a child.
    private func runToSystemCallStop(_ child: inout TID?) throws(Errno) {
        while true {
            try Ptrace.resumeToSystemCall(tid)
            switch try Wait.one(tid) {
            case .systemCallStop: return
            case .exited, .killed: throw .noProcess
            case .event(let kind):
                if [CP_PTRACE_EVENT_FORK, CP_PTRACE_EVENT_VFORK, CP_PTRACE_EVENT_CLONE].contains(Int(kind)) {
                    child = TID(Int32(truncatingIfNeeded: Int(bitPattern: try Ptrace.eventMessage(tid))))
                }
            case .signalStop, .interruptStop, .groupStop, .continued: continue
            }
        }
    }
}
