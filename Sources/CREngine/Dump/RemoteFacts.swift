/// What only the process itself can tell, by system calls that it makes for us.
package struct RemoteFacts: Equatable, Sendable {
    /// What only one thread can tell.
    package struct Thread: Equatable, Sendable {
        /// Pointer of set_tid_address(2).
        package var tidAddress: UInt64 = 0
        package var alternateStack = AlternateStackImage()
        package var robustList: UInt64 = 0
        package var robustListLength: UInt32 = 0
        package var parentDeathSignal: UInt32 = 0
        package var securebits: UInt32 = 0
        /// Nanoseconds.
        package var timerSlack: UInt64?
        /// Nil for the default.
        package var memoryPolicy: MemoryPolicyImage?
    }
    /// 62 dispositions, signals 1...64 without SIGKILL and SIGSTOP.
    package var signalActions = [SignalActionImage](repeating: SignalActionImage(), count: 62)
    package var realTimer = IntervalTimerImage()
    package var virtualTimer = IntervalTimerImage()
    package var profilingTimer = IntervalTimerImage()
    package var posixTimers: [PosixTimerImage] = []
    /// By the timer's id: how often it went off while its signal waited.
    package var overruns: [UInt32: UInt32] = [:]
    /// End of the heap as brk(2) has it, not rounded to pages.
    package var brk: UInt64 = 0
    package var dumpable: Int32 = 1
    package var isChildSubreaper = false
    package var thpDisabled = false
    /// Bit n is command 1<<n of membarrier(2). Nil before Linux 6.3.
    package var membarrierRegistrations: UInt32?
    /// PR_GET_MDWE of prctl(2).
    package var deniesWriteExecute: UInt32 = 0
    /// PR_GET_MEMORY_MERGE of prctl(2).
    package var mergesMemory = false
    /// MCL_* of mlockall(2) for areas to come.
    package var futureLocks: UInt32 = 0
    /// By the start of the area.
    package var areaPolicies: [UInt64: MemoryPolicyImage] = [:]
    /// State that no image can hold, as ends of a sentence that begins with the process.
    package var refusals: [String] = []
    package var threads: [TID: Thread] = [:]
    /// By thread, the oldest first.
    var seccompFilters: [TID: [SeccompReader.Filter]] = [:]
    /// Of semaphores at the end of the process.
    package var adjustments: [SemaphoreAdjustmentImage] = []

    package init() {}

    /// Signals whose handlers restart interrupted calls (SA_RESTART), bit n-1 is signal n.
    package var restartingHandlers: UInt64 {
        let numbers = (1...64).filter { $0 != 9 && $0 != 19 }
        return zip(numbers, signalActions).reduce(UInt64(0)) { mask, row in
            row.1.flags & 0x1000_0000 != 0 ? mask | 1 << UInt64(row.0 - 1) : mask
        }
    }
}
