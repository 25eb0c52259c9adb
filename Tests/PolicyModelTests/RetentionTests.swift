import Foundation
import Testing

@testable import PolicyModel

/// Retention as a table: names of checkpoints are their moments.
@Suite struct RetentionTests {
    private let now: Date
    private let utc: TimeZone
    private let berlin: TimeZone

    init() throws {
        now = try Date("2026-11-24T12:30:00Z", strategy: .iso8601)
        utc = try #require(TimeZone(identifier: "UTC"))
        berlin = try #require(TimeZone(identifier: "Europe/Berlin"))
    }

    private func checkpoint(
        _ moment: String, target: String = "solver", bytes: UInt64 = 10,
        change: (inout RetainableCheckpoint) -> Void = { _ in }
    ) throws -> RetainableCheckpoint {
        var made = RetainableCheckpoint(
            target: target, name: moment, date: try Date(moment + "Z", strategy: .iso8601), bytes: bytes)
        change(&made)
        return made
    }

    /// Those of these moments; the newest is the verified one.
    private func series(_ moments: String...) throws -> [RetainableCheckpoint] {
        var all = try moments.map { try checkpoint($0) }
        let newest = all.indices.max { all[$0].name < all[$1].name }
        if let newest { all[newest].isNewestVerified = true }
        return all
    }

    private func settings(_ change: (inout RetentionSettings) -> Void) -> RetentionSettings {
        var settings = RetentionSettings()
        change(&settings)
        return settings
    }

    private func kept(
        _ settings: RetentionSettings, _ checkpoints: [RetainableCheckpoint], zone: TimeZone? = nil
    ) -> [String] {
        Retention.decide(settings, checkpoints, now: now, zone: zone ?? utc).keep.map(\.checkpoint.name)
    }

    @Test func `without rules all stay`() throws {
        let all = try series("2020-01-01T00:00:00", "2026-11-24T12:00:00")
        let verdict = Retention.decide(RetentionSettings(), all, now: now, zone: utc)
        #expect(verdict.delete.isEmpty)
        #expect(verdict.keep.map(\.reasons) == [[.newestVerified, .noRules], [.noRules]])
    }

    @Test func `keep-last keeps the newest, whatever the order they come in`() throws {
        let all = try series("2026-11-22T00:00:00", "2026-11-24T00:00:00", "2026-11-23T00:00:00")
        let verdict = Retention.decide(settings { $0.keepLast = 2 }, all, now: now, zone: utc)
        #expect(verdict.keep.map(\.checkpoint.name) == ["2026-11-24T00:00:00", "2026-11-23T00:00:00"])
        #expect(verdict.keep.map(\.reasons) == [[.newestVerified, .last(1, of: 2)], [.last(2, of: 2)]])
        #expect(verdict.delete.map(\.checkpoint.name) == ["2026-11-22T00:00:00"])
        #expect(verdict.delete.map(\.reason) == [.noRule])
    }

    @Test func `keep-within keeps what is younger, and what is of the future`() throws {
        let all = try series(
            "2026-11-24T11:30:00", "2026-11-24T11:30:01", "2026-11-24T12:00:00", "2027-01-01T00:00:00")
        #expect(
            kept(settings { $0.keepWithin = .seconds(3600) }, all)
                == ["2027-01-01T00:00:00", "2026-11-24T12:00:00", "2026-11-24T11:30:01"])
    }

    @Test func `keep-hourly keeps the newest of hours that have any, empty hours do not count`() throws {
        let all = try series(
            "2026-11-24T12:10:00", "2026-11-24T12:05:00", "2026-11-24T09:59:59", "2026-11-24T09:00:00",
            "2026-11-24T08:59:59")
        let verdict = Retention.decide(settings { $0.keepHourly = 2 }, all, now: now, zone: utc)
        #expect(verdict.keep.map(\.checkpoint.name) == ["2026-11-24T12:10:00", "2026-11-24T09:59:59"])
        #expect(
            verdict.keep.last?.reasons == [.newest(in: .hour, "2026-11-24 09h", place: 2, of: 2)])
    }

    @Test func `days and weeks begin where they do in the zone`() throws {
        // 23:30 UTC on the 23rd is the 24th in Berlin; the 22nd is a Sunday.
        let all = try series("2026-11-24T10:00:00", "2026-11-23T23:30:00", "2026-11-23T22:30:00")
        let daily = settings { $0.keepDaily = 9 }
        #expect(kept(daily, all, zone: utc) == ["2026-11-24T10:00:00", "2026-11-23T23:30:00"])
        #expect(kept(daily, all, zone: berlin) == ["2026-11-24T10:00:00", "2026-11-23T22:30:00"])
        let sunday = try series("2026-11-23T00:30:00", "2026-11-22T23:30:00", "2026-11-22T12:00:00")
        let weekly = settings { $0.keepWeekly = 9 }
        #expect(kept(weekly, sunday, zone: utc) == ["2026-11-23T00:30:00", "2026-11-22T23:30:00"])
        #expect(kept(weekly, sunday, zone: berlin) == ["2026-11-23T00:30:00", "2026-11-22T12:00:00"])
    }

    @Test func `the hour that comes twice at the end of summer is two hours`() throws {
        let all = try series("2026-10-25T01:30:00", "2026-10-25T00:45:00", "2026-10-25T00:30:00")
        #expect(
            kept(settings { $0.keepHourly = 9 }, all, zone: berlin)
                == ["2026-10-25T01:30:00", "2026-10-25T00:45:00"])
    }

    @Test func `weeks are those of ISO 8601 over the turn of a year`() throws {
        let all = try series("2027-01-03T00:00:00", "2026-12-28T00:00:00", "2026-12-27T00:00:00")
        let verdict = Retention.decide(settings { $0.keepWeekly = 5 }, all, now: now, zone: utc)
        #expect(verdict.keep.map(\.checkpoint.name) == ["2027-01-03T00:00:00", "2026-12-27T00:00:00"])
        #expect(verdict.keep.last?.reasons == [.newest(in: .week, "2026-W52", place: 2, of: 5)])
    }

    @Test func `keep-monthly keeps the newest of months`() throws {
        let all = try series(
            "2026-11-01T00:00:00", "2026-10-31T23:59:59", "2026-10-01T00:00:00", "2026-08-01T00:00:00")
        #expect(
            kept(settings { $0.keepMonthly = 3 }, all)
                == ["2026-11-01T00:00:00", "2026-10-31T23:59:59", "2026-08-01T00:00:00"])
    }

    @Test func `what one rule holds stays though others would not hold it`() throws {
        let all = try series("2026-11-24T12:00:00", "2026-11-24T11:00:00", "2026-11-23T10:00:00")
        let both = settings {
            $0.keepLast = 1
            $0.keepDaily = 2
        }
        #expect(kept(both, all) == ["2026-11-24T12:00:00", "2026-11-23T10:00:00"])
    }

    @Test func `each target is kept for itself`() throws {
        let all = try ["a", "b"].flatMap { target in
            try [1, 2].map { day in
                try checkpoint("2026-11-0\(day)T00:00:00", target: target) { $0.isNewestVerified = day == 2 }
            }
        }
        let verdict = Retention.decide(settings { $0.keepLast = 1 }, all, now: now, zone: utc)
        #expect(verdict.keep.map(\.checkpoint.target) == ["a", "b"])
        #expect(verdict.delete.map(\.checkpoint.name) == ["2026-11-01T00:00:00", "2026-11-01T00:00:00"])
    }

    @Test func `a pinned one stays and takes its place among the last`() throws {
        var all = try series("2026-11-24T12:00:00", "2026-11-24T11:00:00", "2026-11-01T00:00:00")
        all[2].isPinned = true
        #expect(kept(settings { $0.keepLast = 1 }, all) == ["2026-11-24T12:00:00", "2026-11-01T00:00:00"])
        all[1].isPinned = true
        #expect(kept(settings { $0.keepLast = 2 }, all).count == 3)
    }

    @Test func `the newest verified one stays though newer ones fill the rules`() throws {
        var all = try series("2026-11-24T12:00:00", "2026-11-24T11:00:00", "2026-11-24T10:00:00")
        all[0].isNewestVerified = false
        all[2].isNewestVerified = true
        let verdict = Retention.decide(settings { $0.keepLast = 1 }, all, now: now, zone: utc)
        #expect(verdict.keep.map(\.checkpoint.name) == ["2026-11-24T12:00:00", "2026-11-24T10:00:00"])
        #expect(verdict.keep.last?.reasons == [.newestVerified])
    }

    @Test func `nothing of a target goes while none of it is verified`() throws {
        let all = try ["2026-11-24T12:00:00", "2026-11-24T11:00:00"].map { try checkpoint($0) }
        let rules = settings {
            $0.keepLast = 1
            $0.maxTotal = ByteCount(1)
        }
        let verdict = Retention.decide(rules, all, now: now, zone: utc)
        #expect(verdict.delete.isEmpty)
        #expect(verdict.keep.map(\.reasons) == [[.last(1, of: 1), .noneVerified], [.noneVerified]])
    }

    @Test func `one that cannot be read stays and takes no other's place`() throws {
        var all = try series("2026-11-24T12:00:00", "2026-11-24T11:00:00", "2026-11-24T10:00:00")
        all[0].isReadable = false
        all[0].isNewestVerified = false
        all[1].isNewestVerified = true
        let verdict = Retention.decide(settings { $0.keepLast = 1 }, all, now: now, zone: utc)
        #expect(verdict.keep.map(\.checkpoint.name) == ["2026-11-24T12:00:00", "2026-11-24T11:00:00"])
        #expect(verdict.keep.first?.reasons == [.unreadable])
    }

    @Test func `what a kept one needs stays, through the whole chain`() throws {
        var all = try series(
            "2026-11-24T12:00:00", "2026-11-24T11:00:00", "2026-11-24T10:00:00", "2026-11-24T09:00:00")
        all[0].parent = all[2].name
        all[2].parent = all[3].name
        let verdict = Retention.decide(settings { $0.keepLast = 1 }, all, now: now, zone: utc)
        #expect(verdict.delete.map(\.checkpoint.name) == ["2026-11-24T11:00:00"])
        #expect(verdict.keep.last?.reasons == [.needed(by: "2026-11-24T12:00:00")])
    }

    @Test func `a chain that bites its tail ends`() throws {
        var all = try series("2026-11-24T12:00:00", "2026-11-24T11:00:00")
        all[0].parent = all[1].name
        all[1].parent = all[0].name
        #expect(kept(settings { $0.keepLast = 1 }, all).count == 2)
    }

    @Test func `past max-total the oldest go, over all targets, and never the newest verified`() throws {
        var all = try series("2026-11-24T12:00:00", "2026-11-24T11:00:00", "2026-11-24T10:00:00")
        all += try [checkpoint("2026-11-24T10:30:00", target: "other") { $0.isNewestVerified = true }]
        let verdict = Retention.decide(
            settings { $0.maxTotal = ByteCount(30) }, all, now: now, zone: utc)
        #expect(verdict.delete.map(\.checkpoint.name) == ["2026-11-24T10:00:00"])
        #expect(verdict.delete.map(\.reason) == [.maxTotal(ByteCount(30))])
        let least = kept(settings { $0.maxTotal = ByteCount(0) }, all)
        #expect(least == ["2026-11-24T10:30:00", "2026-11-24T12:00:00"])
    }

    @Test func `past max-total what a kept one needs stays until that goes`() throws {
        var all = try series("2026-11-24T12:00:00", "2026-11-24T11:00:00", "2026-11-24T10:00:00")
        all[1].parent = all[2].name
        // 20 bytes: the oldest is needed, so the one that needs it goes, and the oldest stays by its rule.
        #expect(
            kept(settings { $0.maxTotal = ByteCount(20) }, all)
                == ["2026-11-24T12:00:00", "2026-11-24T10:00:00"])
        // Held only by the one that needs it, the oldest goes with that.
        let rules = settings {
            $0.keepLast = 2
            $0.maxTotal = ByteCount(20)
        }
        #expect(kept(rules, all) == ["2026-11-24T12:00:00"])
    }

    @Test func `reasons read as the policy's keys`() {
        #expect("\(KeepReason.within(.seconds(5400)))" == "keep-within, younger than 90m")
        #expect("\(KeepReason.last(2, of: 3))" == "keep-last, 2 of 3")
        #expect(
            "\(KeepReason.newest(in: .week, "2026-W48", place: 1, of: 4))"
                == "keep-weekly, newest of 2026-W48, 1 of 4")
        #expect("\(DeleteReason.maxTotal(ByteCount(2 << 30)))" == "among the oldest past max-total, 2GiB")
    }
}
