/// When a policy runs on a host: its schedule with all that decides the times, as a value.
package struct ScheduleTimes: Sendable, Equatable {
    package enum Trigger: Sendable, Equatable {
        case cron(CronExpression)
        /// Seconds, at least 1. Counted from 1970-01-01T00:00:00Z, so that the times depend on nothing else.
        case every(Int64)
    }

    package var trigger: Trigger
    package var zone: TimeZoneRules
    /// Seconds that every time is put off; see ``ScheduleSettings/delay(seed:)``.
    package var delay: Int64
    package var catchUp: ScheduleSettings.CatchUp

    /// Nil for settings without `cron` and `every`.
    package init?(_ settings: ScheduleSettings, zone: TimeZoneRules, seed: UInt64) {
        if let cron = settings.cron {
            trigger = .cron(cron)
        } else if let every = settings.every {
            let (seconds, attoseconds) = every.components
            trigger = .every(max(1, seconds + (attoseconds > 0 ? 1 : 0)))
        } else {
            return nil
        }
        self.zone = zone
        delay = settings.delay(seed: seed)
        catchUp = settings.catchUp
    }

    /// The first time after a moment; nil when there is none.
    package func next(after time: UnixTime) -> UnixTime? {
        switch trigger {
        case .cron(let cron): cron.next(after: time - delay, in: zone).map { $0 + delay }
        case .every(let step): UnixTime((floorDivide(time.seconds - delay, step) + 1) * step + delay)
        }
    }

    /// The times after a moment, at most so many.
    package func next(_ count: Int, after time: UnixTime) -> [UnixTime] {
        var times: [UnixTime] = []
        while times.count < count, let next = next(after: times.last ?? time) { times.append(next) }
        return times
    }
}

extension ScheduleSettings {
    /// The part of `jitter` that falls to a host and a policy, in whole seconds from 0 on and less than `jitter`.
    /// `seed` is any number that is the same for the same host and policy, and spread evenly over others.
    package func delay(seed: UInt64) -> Int64 {
        let seconds = jitter.components.seconds
        return seconds > 0 ? Int64(seed % UInt64(seconds)) : 0
    }
}
