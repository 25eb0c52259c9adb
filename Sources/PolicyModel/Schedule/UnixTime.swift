/// A moment: whole seconds since 1970-01-01T00:00:00Z, leap seconds not counted. See time(2).
package struct UnixTime: Sendable, Hashable, Comparable, Codable {
    package var seconds: Int64

    package init(_ seconds: Int64) { self.seconds = seconds }

    package static func < (a: UnixTime, b: UnixTime) -> Bool { a.seconds < b.seconds }
    package static func + (a: UnixTime, seconds: Int64) -> UnixTime { UnixTime(a.seconds + seconds) }
    package static func - (a: UnixTime, seconds: Int64) -> UnixTime { UnixTime(a.seconds - seconds) }
    /// Seconds from one to the other.
    package static func - (a: UnixTime, b: UnixTime) -> Int64 { a.seconds - b.seconds }

    package init(from decoder: any Decoder) throws {
        seconds = try decoder.singleValueContainer().decode(Int64.self)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(seconds)
    }
}

/// What clocks on the wall show, without the zone: as many seconds as a clock in UTC that shows the same has counted.
struct WallTime: Sendable, Hashable, Comparable {
    static let secondsADay: Int64 = 86400

    var seconds: Int64

    init(_ seconds: Int64) { self.seconds = seconds }

    init(_ day: CivilDay, minute: Int) { seconds = day.number * WallTime.secondsADay + Int64(minute) * 60 }

    var day: CivilDay { CivilDay(number: floorDivide(seconds, WallTime.secondsADay)) }
    /// Of the day, 0...1439.
    var minute: Int { Int((seconds - day.number * WallTime.secondsADay) / 60) }

    /// Itself if it is a whole minute.
    var roundedUpToMinute: WallTime { WallTime(-floorDivide(-seconds, 60) * 60) }

    static func < (a: WallTime, b: WallTime) -> Bool { a.seconds < b.seconds }
}

/// Towards negative infinity, where `/` goes towards zero.
func floorDivide(_ number: Int64, _ divisor: Int64) -> Int64 {
    let quotient = number / divisor
    return number % divisor != 0 && (number < 0) != (divisor < 0) ? quotient - 1 : quotient
}
