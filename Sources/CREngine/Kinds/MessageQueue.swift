/// A POSIX message queue. See mq_overview(7).
package enum MessageQueue: FileKind {
    package struct State: Equatable, Sendable {
        package let path: String
        /// Its place in `SystemVFacts.posixQueues`; nil for one of another ipc namespace than the tree's own.
        package let place: Int?
        /// It was opened as a file of a mount, by open(2).
        package let isMounted: Bool
    }
    package static let tag = FileTag.messageQueue

    package static func recognise(_ file: OpenFile, in snapshot: Snapshot) -> State? {
        let device = snapshot.systemV.posixQueueDevice
        let isOwn = device != nil && file.facts?.device == device
        guard isOwn || file.fileSystem == "mqueue", file.facts?.type != .directory else { return nil }
        return State(
            path: file.link,
            place: isOwn ? snapshot.systemV.posixQueues.firstIndex { $0.inode == file.inode } : nil,
            isMounted: file.link.dropFirst().contains("/"))
    }

    package static func findings(_ state: State, of file: OpenFile, in context: ScanContext) -> [Finding] {
        let queue = state.place.map { context.snapshot.systemV.posixQueues[$0] }
        if queue == nil {
            return [Finding(.messageQueue, context.object(file), "message queue \(state.path)")]
        }
        if state.isMounted, queue?.isLinked == false {
            let what = "message queue \(state.path), opened as a file of a mount and removed since"
            return [Finding(.messageQueue, context.object(file), what)]
        }
        return []
    }
}

extension PosixQueueFacts {
    /// Why it cannot be carried; nil where it can.
    func obstacle(in snapshot: Snapshot) -> String? {
        guard let note else {
            return
                "the kernel does not tell its messages (it takes CONFIG_DEBUG_INFO_BTF, CAP_BPF and CAP_PERFMON)"
        }
        guard let notification = note.notification else { return nil }
        guard let owner = notification.owner, let task = snapshot.task(owner) else {
            return "a process that is not in the tree waits for a notification (mq_notify)"
        }
        if notification.isBySocket {
            return "process \(owner) waits for a notification by a thread (SIGEV_THREAD of mq_notify)"
        }
        let holds = task.descriptors.contains { descriptor in
            let file = snapshot[descriptor.file]
            return file.inode == inode && !file.isPathOnly
                && file.facts?.device == snapshot.systemV.posixQueueDevice
        }
        return holds
            ? nil : "process \(owner) waits for a notification (mq_notify) and has no descriptor of it"
    }
}
