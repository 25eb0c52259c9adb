import Foundation

@testable import PolicyModel

/// Zones of this host's database, for tests.
enum Zones {
    static func named(_ name: String) throws -> TimeZoneRules {
        let bytes = try Data(contentsOf: URL(filePath: "/usr/share/zoneinfo/\(name)"))
        return try TimeZoneFile.read(Array(bytes), name: name)
    }
}

/// `2026-03-29T03:00:00+02:00` as a moment.
func moment(_ text: String) throws -> UnixTime {
    UnixTime(Int64(try Date(text, strategy: .iso8601).timeIntervalSince1970))
}
