import CPlatform
import FoundationEssentials
import Glibc

/// A published checkpoint, by its place.
package struct Checkpoint: Sendable, Equatable {
    package let store: Store
    package let policy: String
    package let target: String
    package let name: CheckpointName

    init(store: Store, policy: String, target: String, name: CheckpointName) {
        self.store = store
        self.policy = policy
        self.target = target
        self.name = name
    }

    /// Nil unless the path is a directory `…/POLICY/TARGET/NAME` with a manifest, `latest` for NAME allowed.
    init?(atPath path: String) throws(StoreError) {
        guard access(path + "/" + Manifest.fileName, F_OK) == 0, let resolved = realpath(path, nil) else {
            return nil
        }
        defer { free(resolved) }
        let parts = String(cString: resolved).split(separator: "/").map(String.init)
        guard parts.count >= 3, let name = CheckpointName(parts[parts.count - 1]) else {
            throw StoreError(
                .failed, path, "is not at the place of a checkpoint, STORE/POLICY/TARGET/TIME-xxxx",
                remedy: "move it to a place of that form, or restore its images with `crplan restore -D`")
        }
        self.init(
            store: Store(path: "/" + parts.dropLast(3).joined(separator: "/")),
            policy: parts[parts.count - 3], target: parts[parts.count - 2], name: name)
    }

    /// `POLICY/TARGET/NAME`.
    package var id: String { "\(policy)/\(target)/\(name)" }
    package var path: String { "\(store.path)/\(id)" }
    package var imagesPath: String { path + "/images" }

    /// Whole names that a person may begin to write.
    var spellings: [String] { [id, "\(target)/\(name)", name.text] }

    /// Whether `POLICY/TARGET`, `TARGET` or `POLICY` is this; all are below nothing.
    func isBelow(_ place: Substring) -> Bool {
        place.isEmpty || place == "\(policy)/\(target)" || place == target || place == policy
    }

    /// Reads the manifest.
    package func manifest() throws(StoreError) -> Manifest {
        try Checkpoint.readManifest(in: StoreDirectory.open(path))
    }

    /// Everything that is wrong with it: digests, sizes, files too many or missing, images that do not fit together.
    ///
    /// Empty for a good one. Throws only when the directory itself cannot be opened.
    package func verify() throws(StoreError) -> [CheckpointProblem] {
        let directory = try StoreDirectory.open(path)
        let manifest: Manifest
        do throws(StoreError) {
            manifest = try Checkpoint.readManifest(in: directory)
        } catch {
            return [
                CheckpointProblem(Manifest.fileName, error.errno.map { "\(error.fact): \($0)" } ?? error.fact)
            ]
        }
        var problems = mismatches(manifest)
        problems += try CheckpointFiles.compare(directory, with: manifest)
        problems += try parentProblems(manifest)
        // A file that is damaged is told of once.
        if problems.isEmpty { problems += try Checkpoint.tears(directory) }
        return problems
    }

    /// What is wrong with the checkpoints that this one continues, and with the link that leads there.
    private func parentProblems(_ manifest: Manifest) throws(StoreError) -> [CheckpointProblem] {
        // Images that are gone are told of file by file.
        guard access(imagesPath, F_OK) == 0 else { return [] }
        let link = try StoreDirectory.open(imagesPath).linkTarget(ImageName.parent)
        guard let parent = manifest.parent else {
            return link == nil
                ? [] : [.init(CheckpointFiles.parentLink, "is there, and the manifest names no parent")]
        }
        guard parent < name else {
            return [.init(Manifest.fileName, "its parent \(parent) is not older than itself")]
        }
        var problems: [CheckpointProblem] = []
        if link != "../../\(parent)/images" {
            problems.append(
                .init(CheckpointFiles.parentLink, "leads to \(link ?? "nothing") and not to \(parent)"))
        }
        let earlier = Checkpoint(store: store, policy: policy, target: target, name: parent)
        guard access(earlier.path, F_OK) == 0 else {
            return problems + [.init(Manifest.fileName, "its parent \(parent) is gone")]
        }
        return try problems + earlier.verify().map { .init("\(parent)/\($0.path)", $0.fact) }
    }

    /// Reads the digests back, and if they hold makes `latest` lead here unless it leads to a newer one.
    ///
    /// Returns what is wrong; empty when `latest` is in order.
    package func confirm() throws(StoreError) -> [CheckpointProblem] {
        let problems = try CheckpointFiles.compare(StoreDirectory.open(path), with: manifest())
        guard problems.isEmpty else { return problems }
        let parent = try StoreDirectory.open("\(store.path)/\(policy)/\(target)")
        if let present = parent.linkTarget(Store.latest).flatMap(CheckpointName.init), present > name {
            return []
        }
        try parent.pointLink(Store.latest, to: name.text)
        return []
    }

    /// Reads the images as a restore would.
    private static func tears(_ directory: borrowing StoreDirectory) throws(StoreError) -> [CheckpointProblem]
    {
        let images = try directory.subdirectory("images")
        do throws(ImageError) {
            _ = try ImageSet.read(from: images.fd)
            return []
        } catch {
            return [CheckpointProblem("images", "do not make one tree: \(error)")]
        }
    }

    private func mismatches(_ manifest: Manifest) -> [CheckpointProblem] {
        var problems: [CheckpointProblem] = []
        func compare(_ what: String, _ said: String, _ place: String) {
            if said != place {
                problems.append(
                    .init(Manifest.fileName, "says \(what) \(said) and its place says \(place)"))
            }
        }
        compare("checkpoint", manifest.checkpoint.text, name.text)
        compare("policy", manifest.policy.name, policy)
        compare("target", manifest.target, target)
        return problems
    }

    private static func readManifest(in directory: borrowing StoreDirectory) throws(StoreError) -> Manifest {
        let file = try directory.file(Manifest.fileName)
        let bytes = try StoreError.about(directory.pathOf(Manifest.fileName), "cannot be read") {
            () throws(Errno) -> [UInt8] in try file.readToEnd()
        }
        return try Manifest.decoded(bytes, path: directory.pathOf(Manifest.fileName))
    }
}
