/// A POSIX message queue, as `crplan.json` has it: what rows of System V queues have no field for.
struct PosixQueueExtras: Codable, Equatable {
    /// In `ipcns-mqueue-NS.img`.
    var number: UInt32
    var name: String
    var isUnlinked: Bool?
    var mostMessages: Int64
    var largestMessage: Int64
    var notification: PosixQueueImage.Notification?

    init(_ queue: PosixQueueImage) {
        (number, name) = (queue.number, queue.name)
        isUnlinked = queue.isUnlinked ? true : nil
        (mostMessages, largestMessage) = (queue.mostMessages, queue.largestMessage)
        notification = queue.notification
    }

    func apply(to queues: inout [PosixQueueImage]) {
        guard let place = queues.firstIndex(where: { $0.number == number }) else { return }
        queues[place].name = name
        queues[place].isUnlinked = isUnlinked ?? false
        queues[place].mostMessages = mostMessages
        queues[place].largestMessage = largestMessage
        queues[place].notification = notification
    }
}
