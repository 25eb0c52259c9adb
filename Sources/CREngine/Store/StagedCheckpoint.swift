import CPlatform
import Glibc

/// A checkpoint that is being written: a directory `.incomplete-NAME`, removed again unless it is published.
package struct StagedCheckpoint: ~Copyable {
    package static let prefix = ".incomplete-"

    package let name: CheckpointName
    private let store: Store
    private let policy: String
    private let target: String
    private let parent: StoreDirectory
    private let directory: StoreDirectory
    private var isPublished = false

    /// Makes the directory with `images` in it, and removes what earlier runs for this target left unfinished.
    ///
    /// Two runs for one policy are kept apart by its lock.
    package init(in store: Store, policy: String, target: String, name: CheckpointName) throws(StoreError) {
        for part in [policy, target] { try Store.checkComponent(part) }
        let root = try StoreDirectory.openOrMake(path: store.path)
        let parent = try root.openOrMake(policy).openOrMake(target)
        try StagedCheckpoint.discard(in: parent)
        let directory = try parent.make(StagedCheckpoint.prefix + name.text)
        let images = try directory.make("images")
        _ = consume images
        self.name = name
        self.store = store
        self.policy = policy
        self.target = target
        self.parent = parent
        self.directory = directory
    }

    deinit {
        if isPublished { return }
        if let entry = try? parent.entry(StagedCheckpoint.prefix + name.text) { try? parent.remove(entry) }
    }

    /// Whether an unfinished dump or an unfinished deletion gave a name.
    static func isLeftover(_ name: String) -> Bool {
        name.hasPrefix(prefix) || name.hasPrefix(Retainer.deletedPrefix)
    }

    /// Removes what runs that are over left unfinished for a target.
    static func discard(in store: Store, policy: String, target: String) throws(StoreError) {
        let path = "\(store.path)/\(policy)/\(target)"
        if access(path, F_OK) == 0 { try discard(in: StoreDirectory.open(path)) }
    }

    private static func discard(in parent: borrowing StoreDirectory) throws(StoreError) {
        for entry in try parent.entries() where isLeftover(entry.name) { try parent.remove(entry) }
    }

    /// Takes back a checkpoint that was published a moment ago and that nothing leads to yet.
    static func withdraw(_ checkpoint: Checkpoint) throws(StoreError) {
        let parent = try StoreDirectory.open(
            "\(checkpoint.store.path)/\(checkpoint.policy)/\(checkpoint.target)")
        try parent.publish(checkpoint.name.text, as: prefix + checkpoint.name.text)
        if let entry = try parent.entry(prefix + checkpoint.name.text) { try parent.remove(entry) }
    }

    /// The directory as a whole.
    package var path: String { directory.path }
    package var imagesPath: String { directory.path + "/images" }
    /// Where the images are once they are published.
    package var publishedImagesPath: String { "\(parent.path)/\(name.text)/images" }
    package var logPath: String { directory.path + "/dump.log" }

    /// Opens the directory of the images.
    package func images() throws(StoreError) -> OwnedFD {
        let images = try directory.subdirectory("images")
        return OwnedFD(taking: images.release())
    }

    /// Adds a file beside the images.
    package func write(_ name: String, _ bytes: [UInt8]) throws(StoreError) {
        try directory.write(name, bytes)
    }

    /// Makes all files durable, writes the manifest with their digests, and gives the directory its name.
    ///
    /// When it returns the checkpoint is whole and survives a loss of power. `latest` is not moved.
    package mutating func publish(_ manifest: Manifest) throws(StoreError) -> Checkpoint {
        var manifest = manifest
        manifest.files = try CheckpointFiles.seal(directory)
        manifest.bytes = manifest.files.reduce(0) { $0 + $1.size }
        try directory.write(Manifest.fileName, try manifest.encoded())
        try directory.sync()
        try parent.publish(StagedCheckpoint.prefix + name.text, as: name.text)
        isPublished = true
        return Checkpoint(store: store, policy: policy, target: target, name: name)
    }
}
