import CPlatform
package import FoundationEssentials
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
    package init(in store: Store, policy: String, target: String, at date: Date) throws(StoreError) {
        for part in [policy, target] { try Store.checkComponent(part) }
        let root = try StoreDirectory.openOrMake(path: store.path)
        let parent = try root.openOrMake(policy).openOrMake(target)
        for entry in try parent.entries() where entry.name.hasPrefix(StagedCheckpoint.prefix) {
            try parent.remove(entry)
        }
        var tail = UInt16.random(in: 0...UInt16.max)
        while try parent.entry(CheckpointName(at: date, tail: tail).text) != nil { tail &+= 1 }
        let name = CheckpointName(at: date, tail: tail)
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

    /// The directory as a whole.
    package var path: String { directory.path }
    package var imagesPath: String { directory.path + "/images" }
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
