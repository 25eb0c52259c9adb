/// The offsets of a time zone from UTC, at all times: what a file of the time zone database says.
///
/// Read from the host's own database and not from one that comes with a library, because cron and systemd read that
/// one, and what crplan tells has to be what they do.
package struct TimeZoneRules: Sendable, Equatable {
    /// The clocks are put forward or back.
    package struct Transition: Sendable, Equatable {
        package var time: UnixTime
        /// Seconds east of UTC.
        package var before: Int64
        package var after: Int64
    }

    /// As in the database, `Europe/Berlin`; for the host's own, what its link leads to.
    package var name: String
    /// Before the first transition.
    private let first: Int64
    /// In order; only those that change the offset.
    private let table: [Transition]
    /// What holds after the table.
    private let rest: TimeZoneFooter?

    package static let utc = TimeZoneRules(name: "UTC", first: 0, table: [], rest: nil)

    init(name: String, first: Int64, table: [Transition], rest: TimeZoneFooter?) {
        self.name = name
        self.first = first
        self.table = table.filter { $0.before != $0.after }
        self.rest = rest
    }

    /// Seconds east of UTC.
    package func offset(at time: UnixTime) -> Int64 {
        if let rest, time >= endOfTable { return rest.offset(at: time) }
        let later = table.partitioningIndex { $0.time > time }
        return later == 0 ? first : table[later - 1].after
    }

    /// The first change of the offset after a moment; nil when the clocks are never changed again.
    package func transition(after time: UnixTime) -> Transition? {
        let next = table.partitioningIndex { $0.time > time }
        if next < table.count { return table[next] }
        return rest?.transition(after: max(time, endOfTable))
    }

    private var endOfTable: UnixTime { table.last?.time ?? UnixTime(.min) }

    func wall(at time: UnixTime) -> WallTime { WallTime(time.seconds + offset(at: time)) }

    /// When the clocks show this: the first time where they show it twice, and the end of the gap where they skip it.
    func moment(of wall: WallTime) -> UnixTime {
        // No zone is further than this from UTC, and none changes twice in so short a time by much.
        var start = UnixTime(wall.seconds - 2 * WallTime.secondsADay)
        var offset = offset(at: start)
        while true {
            let candidate = UnixTime(wall.seconds - offset)
            // Too early for this offset: the one before was too late for it.
            if candidate < start { return start }
            guard let next = transition(after: start), candidate >= next.time else { return candidate }
            (start, offset) = (next.time, next.after)
        }
    }
}

extension Array {
    /// The index of the first element for which it holds, in an array in which it holds from some element on.
    func partitioningIndex(where holds: (Element) -> Bool) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if holds(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
