import CPlatform

/// The way of a descriptor from us to a task.
///
/// The open file stays one description, whoever takes it; no table is shared, so what binds to a table (locks,
/// leases, owners) binds to the task's own.
struct Lender: Sendable {
    /// Number of the task's end of the way in every task of the tree, above all of their own descriptors.
    let number: Int32
    /// Our end of the sockets of `LenderChannel`. Nil while the tasks have our rights and take what they want by
    /// pidfd_getfd(2) on a pidfd of ours.
    var channel: Int32?

    init(number: Int32) { self.number = number }

    /// Takes a copy of our descriptor `fd` into the task, at its lowest free number, close-on-exec.
    func take(_ fd: Int32, into thread: StubThread) throws(RestoreError) -> Int {
        if let channel {
            return try LenderChannel.hand(fd, through: channel, to: thread, at: number)
        }
        return try thread.call("pidfd_getfd", CP_SYS_pidfd_getfd, Int(number), Int(fd), 0)
    }

    /// Takes copies of many, in their order, each at the lowest number that is free then.
    func take(_ fds: [Int32], into thread: StubThread) throws(RestoreError) -> [Int] {
        if channel != nil {
            return try fds.map { (fd) throws(RestoreError) in try take(fd, into: thread) }
        }
        var calls = CallList()
        for fd in fds { calls.add("pidfd_getfd", CP_SYS_pidfd_getfd, Int(number), Int(fd), 0) }
        return try calls.run(in: thread)
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
