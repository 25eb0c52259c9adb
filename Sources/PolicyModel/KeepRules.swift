import Foundation

/// What the keep rules of a policy, and what is above them, hold of one target's checkpoints.
struct KeepRules {
    private let settings: RetentionSettings
    private let now: Date
    private let calendar: Calendar

    init(_ settings: RetentionSettings, now: Date, zone: TimeZone) {
        self.settings = settings
        self.now = now
        // Weeks as ISO 8601 has them: from Monday, the first with at least four days of the year.
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = zone
        calendar.firstWeekday = 2
        calendar.minimumDaysInFirstWeek = 4
        self.calendar = calendar
    }

    /// What holds each checkpoint of one target, in their order; nothing for one that no rule holds.
    func reasons(for checkpoints: [RetainableCheckpoint]) -> [[KeepReason]] {
        var reasons = checkpoints.map(beyondRules)
        // One that cannot be read might not be restored either, and takes no other's place.
        let counted = checkpoints.indices.filter { checkpoints[$0].isReadable }
            .sorted { checkpoints[$0].name > checkpoints[$1].name }
        if settings.hasKeepRules {
            for (place, reason) in last(counted) + within(counted, checkpoints) {
                reasons[place].append(reason)
            }
            for (period, count) in settings.periods {
                for (place, reason) in newest(of: period, count, counted, checkpoints) {
                    reasons[place].append(reason)
                }
            }
        } else {
            for place in counted { reasons[place].append(.noRules) }
        }
        if !checkpoints.contains(where: \.isNewestVerified) {
            for place in counted { reasons[place].append(.noneVerified) }
        }
        return reasons
    }

    private func beyondRules(_ checkpoint: RetainableCheckpoint) -> [KeepReason] {
        var reasons: [KeepReason] = []
        if checkpoint.isPinned { reasons.append(.pinned) }
        if checkpoint.isNewestVerified { reasons.append(.newestVerified) }
        if !checkpoint.isReadable { reasons.append(.unreadable) }
        return reasons
    }

    private func last(_ newestFirst: [Int]) -> [(Int, KeepReason)] {
        guard let count = settings.keepLast else { return [] }
        return newestFirst.prefix(count).enumerated().map { ($1, .last($0 + 1, of: count)) }
    }

    private func within(
        _ places: [Int], _ checkpoints: [RetainableCheckpoint]
    ) -> [(Int, KeepReason)] {
        guard let duration = settings.keepWithin else { return [] }
        let oldest = now.addingTimeInterval(-(duration / .seconds(1)))
        return places.filter { checkpoints[$0].date > oldest }.map { ($0, .within(duration)) }
    }

    private func newest(
        of period: KeepReason.Period, _ count: Int, _ newestFirst: [Int],
        _ checkpoints: [RetainableCheckpoint]
    ) -> [(Int, KeepReason)] {
        var found: [(Int, KeepReason)] = []
        var present: Date?
        for place in newestFirst {
            guard
                let begin = calendar.dateInterval(of: period.component, for: checkpoints[place].date)?.start,
                begin != present
            else { continue }
            if found.count == count { break }
            present = begin
            let name = name(of: period, at: checkpoints[place].date)
            found.append((place, .newest(in: period, name, place: found.count + 1, of: count)))
        }
        return found
    }

    private func name(of period: KeepReason.Period, at date: Date) -> String {
        let parts = calendar.dateComponents(
            [.year, .month, .day, .hour, .yearForWeekOfYear, .weekOfYear], from: date)
        func digits(_ value: Int?) -> String { (value ?? 0) < 10 ? "0\(value ?? 0)" : "\(value ?? 0)" }
        let month = "\(parts.year ?? 0)-\(digits(parts.month))"
        return switch period {
        case .hour: "\(month)-\(digits(parts.day)) \(digits(parts.hour))h"
        case .day: "\(month)-\(digits(parts.day))"
        case .week: "\(parts.yearForWeekOfYear ?? 0)-W\(digits(parts.weekOfYear))"
        case .month: month
        }
    }
}

extension RetentionSettings {
    /// Whether checkpoints may be deleted at all.
    package var isSet: Bool { hasKeepRules || maxTotal != nil }

    /// Whether anything but `max-total` is set.
    package var hasKeepRules: Bool { keepLast != nil || keepWithin != nil || !periods.isEmpty }

    /// The rules that keep the newest of each period.
    var periods: [(KeepReason.Period, Int)] {
        let all: [(KeepReason.Period, Int?)] = [
            (.hour, keepHourly), (.day, keepDaily), (.week, keepWeekly), (.month, keepMonthly),
        ]
        return all.compactMap { period, count in count.map { (period, $0) } }
    }
}

extension KeepReason.Period {
    fileprivate var component: Calendar.Component {
        switch self {
        case .hour: .hour
        case .day: .day
        case .week: .weekOfYear
        case .month: .month
        }
    }
}
