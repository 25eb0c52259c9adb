package import Foundation

/// What retention knows of one checkpoint.
package struct RetainableCheckpoint: Sendable, Equatable {
    package var target: String
    /// Sorts by age: the moment in UTC comes first. Unique in its target.
    package var name: String
    /// The moment in the name.
    package var date: Date
    /// Of all its files together.
    package var bytes: UInt64
    /// Name of the checkpoint, of the same target, that this one needs.
    package var parent: String?
    package var isPinned: Bool
    /// Its digests were read back, and no newer one's were: `latest` leads to it.
    package var isNewestVerified: Bool
    /// False where the manifest cannot be read, so that nothing but name and date is known.
    package var isReadable: Bool

    package init(
        target: String, name: String, date: Date, bytes: UInt64, parent: String? = nil,
        isPinned: Bool = false, isNewestVerified: Bool = false, isReadable: Bool = true
    ) {
        self.target = target
        self.name = name
        self.date = date
        self.bytes = bytes
        self.parent = parent
        self.isPinned = isPinned
        self.isNewestVerified = isNewestVerified
        self.isReadable = isReadable
    }
}

/// What becomes of each checkpoint of a policy, and why.
///
/// The keep rules hold a target's checkpoints for themselves, and a checkpoint stays when one of them holds it. Without
/// keep rules all stay. Then the oldest go until all together are no more than `max-total`. Whatever the rules say,
/// these stay: a pinned one, a target's newest verified one, all of a target of which none is verified, one that
/// cannot be read, and each one that a kept one needs.
package struct Retention: Sendable, Equatable {
    /// One checkpoint that stays.
    package struct Kept: Sendable, Equatable {
        package var checkpoint: RetainableCheckpoint
        /// All that hold it, at least one.
        package var reasons: [KeepReason]
    }

    /// One checkpoint that goes.
    package struct Deleted: Sendable, Equatable {
        package var checkpoint: RetainableCheckpoint
        package var reason: DeleteReason
    }

    /// By target, and newest first.
    package var keep: [Kept] = []
    /// In the order to delete them in: by target, and newest first, so that none is ever without what it needs.
    package var delete: [Deleted] = []

    /// The verdict on all checkpoints of one policy. Days and weeks begin where they do in `zone`; weeks on Monday.
    package static func decide(
        _ settings: RetentionSettings, _ checkpoints: [RetainableCheckpoint], now: Date, zone: TimeZone
    ) -> Retention {
        let rules = KeepRules(settings, now: now, zone: zone)
        var targets = Dictionary(grouping: checkpoints, by: \.target).values
            .map { Chains($0, held: rules.reasons(for: $0)) }
            .sorted { $0.target < $1.target }
        let overLimit = settings.maxTotal.map { trim(&targets, to: $0.bytes) } ?? []
        var verdict = Retention()
        for target in targets {
            for (place, checkpoint) in target.checkpoints.enumerated() {
                let reasons = target.reasons(place)
                if !reasons.isEmpty {
                    verdict.keep.append(Kept(checkpoint: checkpoint, reasons: reasons))
                } else if let limit = settings.maxTotal, overLimit.contains(checkpoint.id) {
                    verdict.delete.append(Deleted(checkpoint: checkpoint, reason: .maxTotal(limit)))
                } else {
                    verdict.delete.append(Deleted(checkpoint: checkpoint, reason: .noRule))
                }
            }
        }
        return verdict
    }

    /// Lets the oldest go that may, one by one, until what is kept is not above `limit` bytes. Gives those that went.
    private static func trim(_ targets: inout [Chains], to limit: UInt64) -> Set<RetainableCheckpoint.ID> {
        var gone: Set<RetainableCheckpoint.ID> = []
        while targets.reduce(0, { $0 + $1.keptBytes }) > limit {
            let oldest = targets.indices.compactMap { index in
                targets[index].oldestThatMayGo.map { (index, $0, targets[index].checkpoints[$0]) }
            }.min { ($0.2.date, $0.2.name, $0.2.target) < ($1.2.date, $1.2.name, $1.2.target) }
            guard let (index, place, checkpoint) = oldest else { break }
            gone.insert(checkpoint.id)
            // What only it needed goes with it, for the same reason.
            for parent in targets[index].letGo(place) { gone.insert(parent) }
        }
        return gone
    }
}

extension RetainableCheckpoint {
    /// Unique in a policy.
    struct ID: Hashable {
        var target: String
        var name: String
    }
    var id: ID { ID(target: target, name: name) }
}

/// The checkpoints of one target, newest first: what holds each, and which needs which.
private struct Chains {
    let target: String
    let checkpoints: [RetainableCheckpoint]
    /// Place of the one that each needs.
    private let parents: [Int?]
    private var held: [[KeepReason]]
    /// Place of the newest kept one that needs each, straight or through others.
    private var neededBy: [Int?] = []
    private(set) var keptBytes: UInt64 = 0

    /// `held` tells what holds each checkpoint of itself, in the order of `checkpoints`.
    init(_ checkpoints: [RetainableCheckpoint], held: [[KeepReason]]) {
        let order = checkpoints.indices.sorted { checkpoints[$0].name > checkpoints[$1].name }
        let ordered = order.map { checkpoints[$0] }
        let places = Dictionary(ordered.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { a, _ in a })
        target = checkpoints.first?.target ?? ""
        self.checkpoints = ordered
        self.held = order.map { held[$0] }
        parents = ordered.map { $0.parent.flatMap { places[$0] } }
        follow()
    }

    /// Empty for one that goes.
    func reasons(_ place: Int) -> [KeepReason] {
        guard let child = neededBy[place] else { return held[place] }
        return held[place] + [.needed(by: checkpoints[child].name)]
    }

    var oldestThatMayGo: Int? {
        checkpoints.indices.last { place in
            !held[place].isEmpty && neededBy[place] == nil && held[place].allSatisfy(\.yieldsToMaxTotal)
        }
    }

    /// Gives those that go along because nothing else held them.
    mutating func letGo(_ place: Int) -> [RetainableCheckpoint.ID] {
        let before = checkpoints.indices.filter { !reasons($0).isEmpty }
        held[place] = []
        follow()
        return before.filter { $0 != place && reasons($0).isEmpty }.map { checkpoints[$0].id }
    }

    /// Walks the chains of all that are held.
    private mutating func follow() {
        neededBy = Array(repeating: nil, count: checkpoints.count)
        for place in checkpoints.indices where !held[place].isEmpty {
            var parent = parents[place]
            while let needed = parent, needed != place, neededBy[needed] == nil {
                neededBy[needed] = place
                parent = parents[needed]
            }
        }
        keptBytes = checkpoints.indices.reduce(0) { sum, place in
            reasons(place).isEmpty ? sum : sum + checkpoints[place].bytes
        }
    }
}
