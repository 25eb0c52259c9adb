import CPlatform

/// Takes back what a dead tracer left in the tree. The tasks themselves have healed and run.
package struct TreeUndo {
    private let faults: FaultPoints

    package init(faults: FaultPoints) { self.faults = faults }

    /// Works through the journal; what cannot be undone is returned, one line each, and harms nobody: a mapped page or
    /// unused bytes that differ from zero.
    package func run(_ journal: borrowing UndoJournal) -> [String] {
        var failures: [String] = []
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

    private func undo(_ record: UndoJournal.Record) throws(TraceError) {
        let leader = record.pid.leader
        guard let stat = TaskList.stat(record.pid, leader), stat.startTime == record.startTime else { return }
        let deadline = Deadline.after(milliseconds: 5000)
        var backoff = Backoff()
        while true {
            let tree = try FrozenTree.freezeProcess(record.pid, deadline: deadline)
            if let process = tree.processes.first, let thread = process.threads.first {
                if process.threads.contains(where: { isOnStub($0, record) }) {
                    // It is healing this very moment.
                    tree.thaw()
                    if deadline.hasPassed {
                        throw .timedOut(tid: leader, detail: "it does not leave the healing stub")
                    }
                    backoff.pause()
                    continue
                }
                try takeBack(record, thread, tree)
            }
            tree.thaw()
            return
        }
    }

    private func isOnStub(_ thread: FrozenThread, _ record: UndoJournal.Record) -> Bool {
        let stub = record.stub..<record.stub + UInt64(HealingStub.size)
        return stub.contains(thread.stoppedRegisters.ip) || stub.contains(thread.continuation.healing.ip)
    }

    private func takeBack(
        _ record: UndoJournal.Record, _ thread: FrozenThread, _ tree: borrowing FrozenTree
    ) throws(TraceError) {
        guard record.stub != 0 else { return }
        let stub = RemoteAddress(record.stub)
        let writer = try StubWriter(pid: record.pid, place: stub, faults: faults)
        if record.scratch != 0 {
            try writer.write(for: thread)
            try tree.withSession(thread, stub: stub, faults: faults) { (session) throws(TraceError) in
                // Nothing may be mapped there yet: munmap(2) is content with that.
                try session.require("munmap", CP_SYS_munmap, record.scratch, record.scratchSize)
            }
        }
        try writer.erase()
    }
}
