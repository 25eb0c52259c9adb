import CPlatform
import Glibc

/// A running supervisor, from before the freeze until the worker has nothing left to undo.
package struct SupervisorHandle: ~Copyable {
    package let journal: UndoJournal
    package let notes: UndoNotes
    private let pid: PID

    /// Starts `/proc/self/exe internal supervise` and returns once it watches us.
    package static func start() throws(Errno) -> SupervisorHandle { try SupervisorStart().awaitWatch() }

    fileprivate init(journal: consuming UndoJournal, notes: UndoNotes, pid: PID) {
        self.journal = journal
        self.notes = notes
        self.pid = pid
    }

    /// The supervisor's process id, for messages and tests.
    package var supervisor: PID { pid }

    /// Tells the supervisor that nothing is left to undo.
    ///
    /// It ends by itself when this process does.
    package consuming func finish() throws(Errno) {
        try journal.setPhase(.done)
    }
}

/// A supervisor that is on its way. It takes as long to start as any program, in which its worker does other work.
///
/// Nothing that it would have to undo may be done before it watches. One that is given up ends when this process does.
package struct SupervisorStart: ~Copyable {
    private let journal: UndoJournal
    private let notes: UndoNotes
    private let pid: PID
    /// One byte comes when it watches.
    private let ready: OwnedFD

    /// Starts `/proc/self/exe internal supervise`.
    package init() throws(Errno) {
        let journal = try UndoJournal.make()
        let notes = try UndoNotes.make()
        let ourselves = OwnedFD(taking: Int32(try systemCall(CP_SYS_pidfd_open, Int(getpid()), 0)))
        var ends: (Int32, Int32) = (0, 0)
        try withUnsafeMutablePointer(to: &ends) { (pointer) throws(Errno) -> Void in
            try systemCall(CP_SYS_pipe2, Int(bitPattern: pointer), Int(O_CLOEXEC))
        }
        let reader = OwnedFD(taking: ends.0)
        let writer = OwnedFD(taking: ends.1)
        let pid = try Self.spawn([
            journal.descriptor, ourselves.rawValue, writer.rawValue, notes.descriptor,
        ])
        _ = consume writer
        self.journal = journal
        self.notes = notes
        self.pid = pid
        ready = reader
    }

    /// Returns once it watches us. Throws ESRCH where it has ended instead.
    package consuming func awaitWatch() throws(Errno) -> SupervisorHandle {
        var byte: UInt8 = 0
        let count = try withUnsafeMutableBytes(of: &byte) { raw in
            Result { () throws(Errno) -> Int in try ready.read(into: raw) }
        }.get()
        if count != 1 { throw .noProcess }
        return SupervisorHandle(journal: journal, notes: notes, pid: pid)
    }

    /// The descriptors become 3 and up of the new process; everything else of ours is close-on-exec.
    private static func spawn(_ descriptors: [Int32]) throws(Errno) -> PID {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        // First out of the way of these, then into them: dup2 onto itself would keep close-on-exec.
        for (index, descriptor) in descriptors.enumerated() {
            posix_spawn_file_actions_adddup2(&actions, descriptor, Int32(100 + index))
        }
        for index in descriptors.indices {
            posix_spawn_file_actions_adddup2(&actions, Int32(100 + index), Int32(3 + index))
            posix_spawn_file_actions_addclose(&actions, Int32(100 + index))
        }
        let words = ["crplan", "internal", "supervise"]
        let arguments = words.map { strdup($0) } + [nil]
        defer { arguments.forEach { free($0) } }
        var pid: pid_t = 0
        let error = posix_spawn(&pid, "/proc/self/exe", &actions, nil, arguments, environ)
        if error != 0 { throw Errno(rawValue: error) }
        return PID(pid)
    }
}
