import CPlatform

/// Takes back what a dead tracer left in the tree. The tasks themselves have healed and run.
package struct TreeUndo {
    private let faults: FaultPoints

    package init(faults: FaultPoints) { self.faults = faults }

    /// Works through the journal; what cannot be undone is returned, one line each, and harms nobody: a mapped page or
    /// unused bytes that differ from zero.
    package func run(_ journal: borrowing UndoJournal) -> [String] {
        // Connections first: the program runs already, and finds them broken while they are in repair.
        var failures = NetworkUndo.run(journal)
        do throws(Errno) {
            for (index, record) in try journal.records() {
                do throws(TraceError) {
                    try undo(record)
                } catch {
                    failures.append("\(error)")
                }
                try journal.clear(at: index)
            }
        } catch {
            failures.append("the undo journal cannot be read: \(error)")
        }
        return failures
    }

    /// A thread that still stands on the stub was healed when the process was frozen; one that a signal took away from
    /// there must come back first.
    private func undo(_ record: UndoJournal.Record) throws(TraceError) {
        let leader = record.pid.leader
        guard let stat = TaskList.stat(record.pid, leader), stat.startTime == record.startTime else { return }
        if record.socket.inode != 0 { try putBackPeekOffset(record) }
        guard record.stub != 0 else { return }
        let deadline = Deadline.after(milliseconds: 5000)
        var backoff = Backoff()
        while true {
            let tree = try FrozenTree.freezeProcess(record.pid, deadline: deadline)
            let isDone = try takeBack(record, tree)
            tree.thaw()
            if isDone { return }
            if deadline.hasPassed {
                throw .timedOut(tid: leader, detail: "a signal handler has yet to return to the healing stub")
            }
            backoff.pause()
        }
    }

    /// SO_PEEK_OFF of a socket of the process, if it still has it at that number.
    private func putBackPeekOffset(_ record: UndoJournal.Record) throws(TraceError) {
        let leader = record.pid.leader
        do throws(Errno) {
            let pidfd = OwnedFD(
                taking: Int32(try systemCall(CP_SYS_pidfd_open, Int(record.pid.rawValue), 0)))
            let number = Int(record.socket.descriptor)
            let socket = OwnedFD(
                taking: Int32(try systemCall(CP_SYS_pidfd_getfd, Int(pidfd.rawValue), number, 0)))
            let facts = try FileFacts.of("/proc/self/fd/\(socket.rawValue)", followingLinks: true)
            guard facts.inode == record.socket.inode else { return }
            let peekOffset: Int32 = 42
            try SocketCalls.set(
                socket.rawValue, SocketOption.socketLevel, peekOffset,
                UInt32(bitPattern: record.socket.peekOffset))
        } catch {
            // It has closed the socket, or has ended.
            if error == .noProcess || error == .badDescriptor { return }
            throw .failed(operation: "putting SO_PEEK_OFF back", tid: leader, errno: error)
        }
    }

    /// False while a signal handler has yet to return to the stub.
    private func takeBack(
        _ record: UndoJournal.Record, _ tree: borrowing FrozenTree
    ) throws(TraceError) -> Bool {
        guard let thread = tree.processes.first?.threads.first else { return true }
        let stub = RemoteAddress(record.stub)
        var keepsScratch = false
        do throws(Errno) {
            // Nothing is mapped before the stub is there. Other bytes: the program called execve(2) since.
            guard try isStub(record.pid, stub) else { return true }
            if try StubReferences.exist(record.pid, to: stub) { return false }
            keepsScratch = try RemotePlaces.areas(record.pid).contains {
                $0.isScratch(at: RemoteAddress(record.scratch))
            }
        } catch {
            if error == .noProcess { throw .died(thread.tid) }
            throw .failed(operation: "looking for what a dead tracer left", tid: thread.tid, errno: error)
        }
        let writer = StubWriter(
            pid: record.pid, place: stub, scratch: RemoteAddress(record.scratch), faults: faults)
        if keepsScratch {
            try writer.write(for: thread)
            let userfault = record.mayHoldUserfault ? Self.userfault(of: record.pid) : nil
            try tree.withSession(thread, stub: stub, faults: faults) { (session) throws(TraceError) in
                try session.require("munmap", CP_SYS_munmap, record.scratch, record.scratchSize)
                if let userfault { try session.require("close", CP_SYS_close, userfault) }
            }
        }
        try writer.erase()
        return true
    }

    /// The number of a userfaultfd in the table of a process. A program that has one of its own is never dumped.
    private static func userfault(of pid: PID) -> UInt64? {
        guard let directory = try? ProcDirectory.open("/proc/\(pid)/fd"),
            let numbers = try? directory.numbers(".")
        else { return nil }
        return numbers.first { (try? directory.link("\($0)")) == "anon_inode:[userfaultfd]" }.map {
            UInt64($0)
        }
    }

    private func isStub(_ pid: PID, _ stub: RemoteAddress) throws(Errno) -> Bool {
        do throws(Errno) {
            return HealingStub.isStub(try RemoteMemory.bytes(pid, stub, count: HealingStub.size))
        } catch {
            if error == .fault { return false }
            throw error
        }
    }
}
