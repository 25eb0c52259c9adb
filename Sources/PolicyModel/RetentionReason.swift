/// Why a checkpoint stays.
package enum KeepReason: Sendable, Equatable {
    /// The policy has no keep rule.
    case noRules
    /// Among the newest so many; 1 is the newest.
    case last(Int, of: Int)
    case within(Duration)
    /// The newest of a period of local time, one of the newest so many periods that have any: `2026-11-24 07h`.
    case newest(in: Period, String, place: Int, of: Int)
    case pinned
    /// Its digests were read back, and no newer one's were.
    case newestVerified
    /// No digests of this target were read back, so that none is known to be good.
    case noneVerified
    /// Its manifest cannot be read, so that it is not known what it is.
    case unreadable
    /// The newest kept one that cannot be restored without it, by name.
    case needed(by: String)

    package enum Period: String, Sendable, CaseIterable {
        case hour
        case day
        case week
        case month
    }

    /// Whether `max-total` may take it all the same.
    var yieldsToMaxTotal: Bool {
        switch self {
        case .noRules, .last, .within, .newest: true
        case .pinned, .newestVerified, .noneVerified, .unreadable, .needed: false
        }
    }
}

/// Why a checkpoint goes.
package enum DeleteReason: Sendable, Equatable {
    case noRule
    /// All that are kept would be more than this together.
    case maxTotal(ByteCount)
}

extension KeepReason: CustomStringConvertible {
    /// For a table: a few words.
    package var description: String {
        switch self {
        case .noRules: "no keep rule is set"
        case .last(let place, let count): "keep-last, \(place) of \(count)"
        case .within(let duration): "keep-within, younger than \(DurationUnit.text(duration))"
        case .newest(let period, let name, let place, let count):
            "\(period.key), newest of \(name), \(place) of \(count)"
        case .pinned: "pinned"
        case .newestVerified: "the newest that was read back"
        case .noneVerified: "none of this target was read back"
        case .unreadable: "its manifest cannot be read"
        case .needed(let child): "needed by \(child)"
        }
    }
}

extension DeleteReason: CustomStringConvertible {
    package var description: String {
        switch self {
        case .noRule: "no keep rule holds it"
        case .maxTotal(let limit): "among the oldest past max-total, \(limit)"
        }
    }
}

extension KeepReason.Period {
    /// The key of the policy.
    package var key: String {
        switch self {
        case .hour: "keep-hourly"
        case .day: "keep-daily"
        case .week: "keep-weekly"
        case .month: "keep-monthly"
        }
    }
}
