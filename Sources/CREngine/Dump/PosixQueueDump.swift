/// POSIX message queues of the tree's own ipc namespace.
extension DumpBuilder {
    /// Queues with their messages, which are read where they are. Nobody uses them while the tree is stopped.
    mutating func copyPosixQueues(_ kernel: KernelNotes) throws(DumpError) {
        for (place, facts) in snapshot.systemV.posixQueues.enumerated() {
            try pause.check()
            let subject = "message queue /\(facts.name)"
            if let obstacle = facts.obstacle(in: snapshot) { throw .cannotCarry("\(subject): \(obstacle)") }
            guard let note = facts.note else { continue }
            var queue = PosixQueueImage(
                number: UInt32(place + 1), uid: facts.uid, gid: facts.gid, mode: facts.mode & 0o7777)
            do throws(Errno) {
                queue.messages = try kernel.messages(of: note)
            } catch {
                throw .environment(
                    error == .io
                        ? "\(subject) is used by a process outside the tree while it is read; try again"
                        : "\(subject) cannot be read: \(error)")
            }
            (queue.name, queue.isUnlinked) = (facts.name, !facts.isLinked)
            (queue.mostMessages, queue.largestMessage) = (note.mostMessages, note.largestMessage)
            if let waiting = note.notification, let owner = waiting.owner {
                queue.notification = .init(
                    pid: owner.rawValue, kind: waiting.kind, signal: waiting.signal, value: waiting.value)
            }
            posixQueues.append(queue)
        }
    }
}
