import CPlatform

/// What newer kernels than Linux 6.1 have and the engine uses where it is there. Each can be forced off in a debug build:
/// CRPLAN_WITHOUT has their names with commas between, or `linux-6.1` for all. A release build has no such switch.
package enum KernelFeature: String, CaseIterable, Sendable {
    /// PAGEMAP_SCAN, Linux 6.7.
    case pagemapScan = "pagemap-scan"
    /// PAGE_IS_GUARD of PAGEMAP_SCAN, Linux 6.15.
    case guardRegions = "guard-regions"
    /// PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG, Linux 6.4.
    case dispatchQuery = "dispatch-query"
    /// PR_GET_MDWE, Linux 6.3.
    case writeExecuteDenial = "mdwe"
    /// PR_GET_MEMORY_MERGE, Linux 6.4.
    case memoryMerge = "memory-merge"
    /// PR_TIMER_CREATE_RESTORE_IDS, Linux 6.15.
    case timerIDs = "timer-ids"
    /// MEMBARRIER_CMD_GET_REGISTRATIONS, Linux 6.3.
    case membarrierQuery = "membarrier-query"
    /// landlock(7), Linux 5.13, and often switched off.
    case landlock

    /// How a kernel without it answers a call that a task is to make for us; nil where the call is to be made.
    static func refusal(_ number: Int, _ a: UInt64, _ b: UInt64, _ c: UInt64) -> Errno? {
        let answer = cp_masked_call(
            number, Int(bitPattern: UInt(a)), Int(bitPattern: UInt(b)), Int(bitPattern: UInt(c)))
        return answer == 0 ? nil : Errno(rawValue: Int32(-answer))
    }
}
