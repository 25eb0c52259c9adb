import CPlatform

/// Puts healing stubs at their place in a process, and zero bytes when all is over.
///
/// No thread may stand on the stub while it is written.
package struct StubWriter: ~Copyable {
    private let pid: PID
    private let place: RemoteAddress
    private let scratch: RemoteAddress
    private let faults: FaultPoints
    /// Nil where the kernel does not open it.
    private let memory: ProcessMemoryFile?

    /// `scratch` is the page for results that belongs to the stub.
    package init(pid: PID, place: RemoteAddress, scratch: RemoteAddress, faults: FaultPoints) {
        self.pid = pid
        self.place = place
        self.scratch = scratch
        self.faults = faults
        do throws(Errno) {
            memory = try ProcessMemoryFile(pid)
        } catch {
            memory = nil
        }
    }

    /// The stub by which this thread heals.
    package func write(for thread: FrozenThread) throws(TraceError) {
        faults.pass("before the stub is written")
        var bytes = HealingStub.bytes(
            registers: thread.continuation.healing, signalMask: thread.signalMask, scratch: scratch)
        if faults.breaksStub { bytes[HealingStub.healOffset] = 0xcc }
        try write(bytes)
        faults.pass("the stub is written")
    }

    /// What was there before.
    package func erase() throws(TraceError) {
        faults.pass("before the stub is erased")
        try write([UInt8](repeating: 0, count: HealingStub.size))
        faults.pass("the stub is erased")
    }

    /// Through /proc/PID/mem; where that is forbidden (proc_mem.force_override), word by word through ptrace(2).
    private func write(_ bytes: [UInt8]) throws(TraceError) {
        do throws(Errno) {
            do throws(Errno) {
                guard memory != nil else { throw .access }
                try memory?.write(place, bytes)
            } catch {
                if error == .noProcess { throw error }
                for word in stride(from: 0, to: bytes.count, by: 8) {
                    let value = bytes[word..<word + 8].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
                    try Ptrace.poke(pid.leader, place + word, value)
                }
            }
        } catch {
            throw error == .noProcess
                ? .died(pid.leader)
                : .failed(operation: "writing the healing stub", tid: pid.leader, errno: error)
        }
    }
}
