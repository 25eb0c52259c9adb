import CPlatform

/// The way of a descriptor from us to a task: pidfd_getfd(2), made in the task on a pidfd of ours.
///
/// The open file stays one description, whoever takes it; no table is shared, so what binds to a table (locks,
/// leases, owners) binds to the task's own.
struct Lender: Sendable {
    /// Number of the pidfd in every task of the tree, above all of their own descriptors.
    let number: Int32

    /// Takes a copy of our descriptor `fd` into the task, at its lowest free number, close-on-exec.
    func take(_ fd: Int32, into thread: StubThread) throws(RestoreError) -> Int {
        try thread.call("pidfd_getfd", CP_SYS_pidfd_getfd, Int(number), Int(fd), 0)
    }

    /// Takes a copy for the duration of some calls.
    func lend(
        _ fd: Int32, to thread: StubThread, _ body: (Int) throws(RestoreError) -> Void
    ) throws(RestoreError) {
        let copy = try take(fd, into: thread)
        try body(copy)
        try thread.call("close", CP_SYS_close, copy)
    }
}
