import PolicyModel

/// Which jobs of a batch are still to be tried, and when.
struct Attempts {
    /// One try of a job, or of the jobs of a group.
    struct One: Sendable {
        var members: [Int]
        /// From 1.
        var number: Int
        /// Not before; nil for at once.
        fileprivate var due: Deadline?
    }

    /// First tries in the order of the jobs, then what is to be tried again.
    private var waiting: [One]

    init(_ units: [[Int]]) { waiting = units.map { One(members: $0, number: 1, due: nil) } }

    var isEmpty: Bool { waiting.isEmpty }

    /// The next try whose time has come.
    mutating func takeDue() -> One? {
        guard let place = waiting.firstIndex(where: { $0.due?.hasPassed ?? true }) else { return nil }
        return waiting.remove(at: place)
    }

    /// Takes note of how the try of a job ended; gives what is to be told of the job unless it is tried again.
    ///
    /// A group is tried once: its trees fail together, and each for its own reason.
    mutating func end(_ one: One, with reply: DumpReply, _ settings: BatchSettings) -> DumpReply {
        if reply.outcome == .failed, reply.isTransient == true, one.members.count == 1,
            one.number <= settings.retries
        {
            let backoff = UInt64(max(0, settings.backoff / .milliseconds(1)))
            waiting.append(
                One(members: one.members, number: one.number + 1, due: .after(milliseconds: backoff)))
        }
        var told = reply
        if one.number > 1 {
            told.attempts = one.number
            if told.outcome == .failed, let error = told.error {
                told.error = "\(error) (try \(one.number) of \(settings.retries + 1))"
            }
        }
        told.isTransient = nil
        told.endsRun = nil
        return told
    }
}
