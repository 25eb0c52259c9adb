import Foundation
import Glibc
import Testing

@testable import PolicyModel

@Suite(.serialized) struct TimeZoneTests {
    /// What the C library, and so cron, makes of the same file.
    private func offsets(_ name: String, _ times: [Int64]) -> [Int64] {
        let before = getenv("TZ").map { String(cString: $0) }
        setenv("TZ", name, 1)
        tzset()
        defer {
            if let before { setenv("TZ", before, 1) } else { unsetenv("TZ") }
            tzset()
        }
        return times.map { time in
            var seconds = time_t(time)
            var parts = tm()
            localtime_r(&seconds, &parts)
            return Int64(parts.tm_gmtoff)
        }
    }

    @Test(arguments: [
        "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca",
        "Europe/Dublin", "America/Sao_Paulo", "Pacific/Apia", "Asia/Gaza", "Antarctica/Troll", "UTC",
        "America/Nuuk", "Pacific/Chatham",
    ])
    func `offsets are those of the C library`(name: String) throws {
        let zone = try Zones.named(name)
        // Each 10 days and some seconds from 1905 to 2095, and both sides of each change.
        var times = stride(from: Int64(-2_051_222_400), to: 3_944_678_400, by: 864_123).map { $0 }
        var change = zone.transition(after: UnixTime(-2_051_222_400))
        while let found = change, found.time.seconds < 3_944_678_400 {
            times += [found.time.seconds - 1, found.time.seconds]
            change = zone.transition(after: found.time)
        }
        let expected = offsets(name, times)
        let wrong = zip(times, expected).filter { zone.offset(at: UnixTime($0.0)) != $0.1 }
        #expect(wrong.isEmpty, "\(wrong.prefix(5))")
    }

    @Test(arguments: [
        "EST5EDT,M3.2.0,M11.1.0", "IST-1GMT0,M10.5.0,M3.5.0/1", "<-02>2<-01>,M3.5.0/-1,M10.5.0/0",
        "CET-1CEST,J60/2,J300/3", "AAA-3BBB,59/24:30:15,299",
    ])
    func `rules for the years to come are read as the C library reads them`(text: String) throws {
        let footer = try #require(TimeZoneFooter(parsing: text))
        let times = stride(from: Int64(1_700_000_000), to: 1_900_000_000, by: 7201).map { $0 }
        let wrong = zip(times, offsets(text, times)).filter { footer.offset(at: UnixTime($0.0)) != $0.1 }
        #expect(wrong.isEmpty, "\(wrong.prefix(5))")
    }

    @Test(arguments: [
        "", "C-1", "CET", "CET-1CEST", "CET-1CEST,M13.5.0,M10.5.0", "CET-1CEST,M3.5.0,M10.5.0/3x",
    ])
    func `what is no rule is not read as one`(text: String) {
        #expect(TimeZoneFooter(parsing: text) == nil)
    }

    @Test func `damaged files are refused and never read past their end`() throws {
        let bytes = Array(try Data(contentsOf: URL(filePath: "/usr/share/zoneinfo/Europe/Berlin")))
        #expect(throws: TimeZoneFile.Fault.notAZone) { try TimeZoneFile.read([], name: "x") }
        #expect(throws: TimeZoneFile.Fault.truncated) {
            try TimeZoneFile.read(Array(bytes[..<1500]), name: "x")
        }
        var random = SystemRandomNumberGenerator()
        for _ in 0..<2000 {
            var damaged = bytes
            for _ in 0..<4 {
                damaged[Int.random(in: 0..<damaged.count, using: &random)] = .random(in: 0...255)
            }
            let zone = try? TimeZoneFile.read(damaged, name: "x")
            _ = zone?.offset(at: UnixTime(1_900_000_000))
        }
        #expect(throws: TimeZoneFile.Fault.countsLeapSeconds) { try Zones.named("right/UTC") }
    }
}
