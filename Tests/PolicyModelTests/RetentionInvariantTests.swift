import Foundation
import Testing

@testable import PolicyModel

/// What must hold of retention for any rules and any checkpoints, over made-up ones.
@Suite struct RetentionInvariantTests {
    private let now = Date(timeIntervalSince1970: 1_795_000_000)

    /// The same sequence for the same seed: xorshift64* (Vigna, 2016).
    private struct Numbers: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state ^= state >> 12
            state ^= state << 25
            state ^= state >> 27
            return state &* 0x2545_F491_4F6C_DD1D
        }
    }

    private func checkpoints(_ numbers: inout Numbers) -> [RetainableCheckpoint] {
        var all: [RetainableCheckpoint] = []
        for target in ["a", "b", "c"].prefix(Int.random(in: 1...3, using: &numbers)) {
            var own: [RetainableCheckpoint] = []
            let reach: Int = [3600, 86_400, 40 * 86_400].randomElement(using: &numbers) ?? 3600
            let count = Int.random(in: 0...20, using: &numbers)
            let ages: [Int] = (0..<count).map { _ in Int.random(in: -100...reach, using: &numbers) }
            for (place, age) in Set(ages).sorted(by: >).enumerated() {
                let date = now.addingTimeInterval(-Double(age))
                var made = RetainableCheckpoint(
                    target: target, name: date.formatted(.iso8601), date: date,
                    bytes: UInt64.random(in: 0...100, using: &numbers))
                made.isPinned = Int.random(in: 0...9, using: &numbers) == 0
                made.isReadable = Int.random(in: 0...14, using: &numbers) != 0
                if place > 0, Int.random(in: 0...1, using: &numbers) == 0 {
                    made.parent = own[place - 1].name
                }
                own.append(made)
            }
            let readable = own.indices.filter { own[$0].isReadable }
            if let verified = readable.suffix(3).randomElement(using: &numbers),
                Int.random(in: 0...9, using: &numbers) != 0
            {
                own[verified].isNewestVerified = true
            }
            all += own
        }
        return all.shuffled(using: &numbers)
    }

    private func rules(_ numbers: inout Numbers) -> RetentionSettings {
        func perhaps(_ range: ClosedRange<Int>) -> Int? {
            Bool.random(using: &numbers) ? Int.random(in: range, using: &numbers) : nil
        }
        var rules = RetentionSettings()
        rules.keepLast = perhaps(1...5)
        rules.keepWithin = perhaps(1...100_000).map { .seconds($0) }
        rules.keepHourly = perhaps(1...5)
        rules.keepDaily = perhaps(1...5)
        rules.keepWeekly = perhaps(1...3)
        rules.keepMonthly = perhaps(1...3)
        rules.maxTotal = perhaps(0...1000).map { ByteCount(UInt64($0)) }
        return rules
    }

    private func names(_ kept: [RetainableCheckpoint]) -> Set<RetainableCheckpoint.ID> {
        Set(kept.map(\.id))
    }

    @Test(arguments: 1...400) func `the invariants hold`(seed: UInt64) throws {
        var numbers = Numbers(state: seed &* 0x9E37_79B9_7F4A_7C15)
        let zone = try #require(
            TimeZone(identifier: ["UTC", "Europe/Berlin", "Asia/Kathmandu"][Int(seed % 3)]))
        let all = checkpoints(&numbers)
        let rules = rules(&numbers)
        let verdict = Retention.decide(rules, all, now: now, zone: zone)
        let kept = verdict.keep.map(\.checkpoint)
        let deleted = verdict.delete.map(\.checkpoint)
        let keptIDs = names(kept)

        // Each is kept or deleted, none is both, and each kept one has a reason.
        #expect(kept.count + deleted.count == all.count)
        #expect(keptIDs.union(names(deleted)) == names(all))
        #expect(verdict.keep.allSatisfy { !$0.reasons.isEmpty })

        // What is above the rules.
        #expect(deleted.allSatisfy { !$0.isPinned && !$0.isNewestVerified && $0.isReadable })
        for checkpoint in kept {
            guard let parent = checkpoint.parent,
                all.contains(where: { $0.target == checkpoint.target && $0.name == parent })
            else { continue }
            #expect(keptIDs.contains(.init(target: checkpoint.target, name: parent)))
        }

        // Deleting in order leaves no checkpoint without the one that it needs at any moment.
        for (place, checkpoint) in deleted.enumerated() {
            let later = deleted[(place + 1)...]
            #expect(!later.contains { $0.target == checkpoint.target && $0.parent == checkpoint.name })
        }

        // Idempotent: what was kept is kept by the same rules.
        let again = Retention.decide(rules, kept, now: now, zone: zone)
        #expect(again.delete.isEmpty)

        // The order that they come in does not matter.
        #expect(Retention.decide(rules, all.reversed(), now: now, zone: zone) == verdict)

        // More room or a wider rule never deletes what a narrower one keeps.
        if let limit = rules.maxTotal {
            var wider = rules
            wider.maxTotal = ByteCount(limit.bytes + 50)
            #expect(
                names(Retention.decide(wider, all, now: now, zone: zone).keep.map(\.checkpoint)).isSuperset(
                    of: keptIDs))
            let bytes = kept.reduce(0) { $0 + $1.bytes }
            let mayGo = verdict.keep.filter { item in
                item.reasons.allSatisfy(\.yieldsToMaxTotal)
            }
            #expect(bytes <= limit.bytes || mayGo.isEmpty)
        } else if rules.hasKeepRules {
            let wider: [WritableKeyPath<RetentionSettings, Int?>] = [
                \.keepLast, \.keepHourly, \.keepDaily, \.keepWeekly, \.keepMonthly,
            ]
            for member in wider {
                var more = rules
                more[keyPath: member] = (rules[keyPath: member] ?? 0) + 1
                let still = names(Retention.decide(more, all, now: now, zone: zone).keep.map(\.checkpoint))
                #expect(still.isSuperset(of: keptIDs))
            }
        }
    }
}
