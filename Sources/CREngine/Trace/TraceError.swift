/// What can go wrong between the tracer and a task.
package enum TraceError: Error, Equatable, Sendable {
    /// The task ended while it was ours.
    case died(TID)
    /// A request on a task failed.
    case failed(operation: String, tid: TID, errno: Errno)
    /// A system call that the task made for us failed.
    case remoteCall(name: String, tid: TID, errno: Errno)
    /// The task reported a stop that nothing had asked for.
    case unexpectedStop(tid: TID, operation: String)
    /// The deadline passed before the task stopped; `detail` says where it sits in the kernel.
    case timedOut(tid: TID, detail: String)
    /// The tree kept changing until the deadline.
    case treeKeepsChanging(root: PID)
    /// Each of many looks at the tree found tasks that the one before had not.
    case outrun(root: PID)
    /// The task cannot be traced.
    case refused(tid: TID, reason: String)
    /// We were told to stop.
    case cancelled
}

extension TraceError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .died(let tid):
            "task \(tid) ended while it was being looked at; run the command again"
        case .failed(let operation, let tid, let errno):
            "task \(tid): \(operation) failed: \(errno)"
        case .remoteCall(let name, let tid, let errno):
            "task \(tid): \(name)(2) made in the task failed: \(errno)"
        case .unexpectedStop(let tid, let operation):
            "task \(tid): stopped for another reason during \(operation); is another debugger attached?"
        case .timedOut(let tid, let detail):
            "task \(tid) did not stop in time (\(detail)); raise the timeout or wait until it leaves the kernel"
        case .treeKeepsChanging(let root):
            "tree of \(root) kept creating tasks until the timeout; raise the timeout"
        case .outrun(let root):
            "tree of \(root) creates tasks faster than they can be seized; run the command again"
        case .refused(let tid, let reason):
            "task \(tid) cannot be traced: \(reason)"
        case .cancelled:
            "told to stop; every task runs on"
        }
    }
}
