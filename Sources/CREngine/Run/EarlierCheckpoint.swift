import CPlatform
import Glibc
import PolicyModel

/// The checkpoint that a dump continues by a policy's `dump.incremental`, kept in its place meanwhile.
struct EarlierCheckpoint: ~Copyable {
    let name: CheckpointName
    private let hold: CheckpointHold

    /// Its images as seen from those of a later checkpoint of the same target.
    var images: String { "../../\(name.text)/images" }

    /// The newest of the target whose digests were read back, unless the next dump is to be a full one. What speaks against
    /// a chain that is there goes to the log; the dump is a full one then.
    static func choose(
        for target: String, _ policy: Policy, in store: Store, images: borrowing OwnedFD, log: EngineLog
    ) throws(StoreError) -> EarlierCheckpoint? {
        guard let settings = policy.dump.incremental, settings.fullEvery > 1,
            let latest = try store.latest(policy: policy.name, target: target)
        else { return nil }
        let checkpoint = Checkpoint(store: store, policy: policy.name, target: target, name: latest)
        do throws(StoreError) {
            let earlier = EarlierCheckpoint(name: latest, hold: try CheckpointHold(checkpoint, .shared))
            guard try length(checkpoint, atMost: settings.fullEvery) < settings.fullEvery else { return nil }
            do throws(DumpError) {
                _ = try PreviousImages(earlier.images, from: images)
            } catch {
                log.warning("This dump is a full one: \(error)")
                return nil
            }
            return earlier
        } catch {
            log.warning("This dump is a full one, the one before cannot be continued: \(error)")
            return nil
        }
    }

    /// How many checkpoints a restore of this one reads: itself and those that it continues.
    private static func length(_ checkpoint: Checkpoint, atMost most: Int) throws(StoreError) -> Int {
        var length = 1
        var manifest = try checkpoint.manifest()
        while length < most, let parent = manifest.parent {
            manifest = try Checkpoint(
                store: checkpoint.store, policy: checkpoint.policy, target: checkpoint.target, name: parent
            ).manifest()
            length += 1
        }
        return length
    }
}
