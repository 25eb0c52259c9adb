import CPlatform

/// A stopped thread whose registers are ours, from `open` to `close`.
///
/// Whatever happens to this process in between, the thread goes on where it was: see `HealingStub`. Signals that
/// arrive meanwhile stay pending. Only the thread that seized the task may use it.
package struct RemoteSession: ~Copyable {
    package let tid: TID
    private let stub: RemoteAddress
    private let own: RegisterImage
    private let mask: UInt64
    private let faults: FaultPoints
    private var isOpen = true

    /// The stub must already be written for this thread.
    package init(_ thread: FrozenThread, stub: RemoteAddress, faults: FaultPoints) throws(TraceError) {
        let tid = thread.tid
        let own = thread.continuation.kernel
        let mask = thread.signalMask
        var healing = own
        healing.ip = (stub + HealingStub.healOffset).rawValue
        healing.origAx = .max
        faults.pass("before the first register write")
        Self.armRescue(tid, own, mask)
        do throws(Errno) {
            try Ptrace.setRegisters(tid, healing)
        } catch {
            cp_rescue_disarm(tid.rawValue)
            throw Self.failure(tid, "writing registers", error)
        }
        faults.pass("registers point at the stub")
        do throws(Errno) {
            try Ptrace.setSignalMask(tid, .max)
        } catch {
            // The registers can still be put back: only the mask could not be set.
            try? Ptrace.setRegisters(tid, own)
            cp_rescue_disarm(tid.rawValue)
            throw Self.failure(tid, "blocking signals", error)
        }
        faults.pass("signals are blocked")
        self.tid = tid
        self.stub = stub
        self.own = own
        self.mask = mask
        self.faults = faults
    }

    deinit {
        if isOpen { try? Self.putBack(tid, own, mask, faults) }
    }

    /// One system call made by the thread. Its failure is a value: many are expected.
    package mutating func call(
        _ number: Int, _ a: UInt64 = 0, _ b: UInt64 = 0, _ c: UInt64 = 0, _ d: UInt64 = 0, _ e: UInt64 = 0,
        _ f: UInt64 = 0
    ) throws(TraceError) -> Result<UInt64, Errno> {
        if let refusal = KernelFeature.refusal(number, a, b, c) { return .failure(refusal) }
        var registers = own
        registers.ip = stub.rawValue
        registers.flags &= ~0x100
        registers.ax = UInt64(number)
        registers.origAx = .max
        registers.di = a
        registers.si = b
        registers.dx = c
        registers.r10 = d
        registers.r8 = e
        registers.r9 = f
        do throws(Errno) {
            faults.pass("before a call's registers")
            try Ptrace.setRegisters(tid, registers)
            faults.pass("before the resume into a call")
            try runToSystemCallStop()
            faults.pass("at the entry of a call")
            try runToSystemCallStop()
            faults.pass("at the exit of a call")
            let value = Int64(bitPattern: try Ptrace.registers(tid).ax)
            if value < 0 && value >= -4095 { return .failure(Errno(rawValue: Int32(-value))) }
            return .success(UInt64(bitPattern: value))
        } catch {
            throw Self.failure(tid, "a remote system call", error)
        }
    }

    /// A call whose failure ends the work; `name` is for the message.
    @discardableResult
    package mutating func require(
        _ name: String, _ number: Int, _ a: UInt64 = 0, _ b: UInt64 = 0, _ c: UInt64 = 0, _ d: UInt64 = 0,
        _ e: UInt64 = 0, _ f: UInt64 = 0
    ) throws(TraceError) -> UInt64 {
        switch try call(number, a, b, c, d, e, f) {
        case .success(let value): return value
        case .failure(let errno): throw .remoteCall(name: name, tid: tid, errno: errno)
        }
    }

    /// Puts mask and registers back; the thread stays stopped.
    package consuming func close() throws(TraceError) {
        isOpen = false
        do throws(Errno) {
            try Self.putBack(tid, own, mask, faults)
        } catch {
            throw Self.failure(tid, "putting registers back", error)
        }
    }

    /// The mask first: should we die in between, the thread still stands on the stub, which ends in its registers.
    private static func putBack(
        _ tid: TID, _ own: RegisterImage, _ mask: UInt64, _ faults: FaultPoints
    ) throws(Errno) {
        faults.pass("before the mask is put back")
        try Ptrace.setSignalMask(tid, mask)
        faults.pass("before the registers are put back")
        try Ptrace.setRegisters(tid, own)
        cp_rescue_disarm(tid.rawValue)
        faults.pass("registers are put back")
    }

    /// RegisterImage has the fields of struct user_regs_struct in the same order.
    private static func armRescue(_ tid: TID, _ own: RegisterImage, _ mask: UInt64) {
        withUnsafeBytes(of: own) { raw in
            guard let base = raw.baseAddress else { return }
            cp_rescue_arm_registers(tid.rawValue, mask, base.assumingMemoryBound(to: user_regs_struct.self))
        }
    }

    private mutating func runToSystemCallStop() throws(Errno) {
        try Ptrace.resumeToSystemCall(tid)
        while true {
            switch try Wait.one(tid) {
            case .systemCallStop:
                return
            case .interruptStop, .groupStop, .event:
                try Ptrace.resumeToSystemCall(tid)
            case .signalStop(let signal):
                // SIGSTOP alone cannot be blocked: the process is stopped from now on, and this thread works for us
                // until it is let go.
                try Ptrace.resumeToSystemCall(tid, signal: signal)
            case .exited, .killed, .continued:
                throw .noProcess
            }
        }
    }

    private static func failure(_ tid: TID, _ operation: String, _ errno: Errno) -> TraceError {
        if errno == .noProcess || errno == .noChild { return .died(tid) }
        return .failed(operation: operation, tid: tid, errno: errno)
    }
}
