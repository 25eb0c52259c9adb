import FoundationEssentials
import Glibc

/// A directory of checkpoints, `STORE/POLICY/TARGET/NAME`.
package struct Store: Sendable, Equatable {
    /// Where a policy keeps its checkpoints unless it says otherwise.
    package static let defaultPath = "/var/lib/crplan"
    package static let latest = "latest"

    /// Absolute, without a slash at the end.
    package let path: String

    package init(path: String) {
        var trimmed = Substring(path)
        while trimmed.count > 1, trimmed.hasSuffix("/") { trimmed.removeLast() }
        self.path = String(trimmed)
    }

    /// The policies that have a directory here, by name.
    package func policies() throws(StoreError) -> [String] {
        guard access(path, F_OK) == 0 else { return [] }
        return try StoreDirectory.open(path).entries()
            .filter { $0.kind == .directory && !$0.name.hasPrefix(".") }.map(\.name)
    }

    /// All checkpoints, or those of one policy, by policy, target and age, oldest first.
    ///
    /// A store that was never written to has none.
    package func checkpoints(of wanted: String? = nil) throws(StoreError) -> [Checkpoint] {
        var all: [Checkpoint] = []
        guard access(path, F_OK) == 0 else { return [] }
        let root = try StoreDirectory.open(path)
        for policy in try root.entries() where policy.kind == .directory && !policy.name.hasPrefix(".") {
            if let wanted, policy.name != wanted { continue }
            let targets = try root.subdirectory(policy.name)
            for target in try targets.entries() where target.kind == .directory {
                let directory = try targets.subdirectory(target.name)
                for entry in try directory.entries() where entry.kind == .directory {
                    guard let name = CheckpointName(entry.name) else { continue }
                    all.append(
                        Checkpoint(store: self, policy: policy.name, target: target.name, name: name))
                }
            }
        }
        return all
    }

    /// The newest checkpoint of a target by its name, read back or not; nil when there is none.
    package func newest(policy: String, target: String) throws(StoreError) -> CheckpointName? {
        let place = "\(path)/\(policy)/\(target)"
        guard access(place, F_OK) == 0 else { return nil }
        return try StoreDirectory.open(place).entries().compactMap { CheckpointName($0.name) }.max()
    }

    /// The newest checkpoint of a target whose digests were read back; nil when there is none.
    package func latest(policy: String, target: String) throws(StoreError) -> CheckpointName? {
        let directory = try StoreDirectory.open("\(path)/\(policy)/\(target)")
        return directory.linkTarget(Store.latest).flatMap(CheckpointName.init)
    }

    /// The checkpoint that a person means.
    ///
    /// That is a path of a checkpoint's directory, `POLICY/TARGET/latest`, or the beginning of
    /// `POLICY/TARGET/NAME`, `TARGET/NAME` or `NAME` where only one checkpoint has it.
    package func resolve(_ reference: String) throws(StoreError) -> Checkpoint {
        if let checkpoint = try Checkpoint(atPath: reference) { return checkpoint }
        let all = try checkpoints()
        var candidates: [Checkpoint]
        if reference == Store.latest || reference.hasSuffix("/" + Store.latest) {
            let place = reference.dropLast(Store.latest.count + (reference.contains("/") ? 1 : 0))
            candidates = []
            for checkpoint in all where checkpoint.isBelow(place) {
                let newest = try latest(policy: checkpoint.policy, target: checkpoint.target)
                if newest == checkpoint.name { candidates.append(checkpoint) }
            }
        } else {
            candidates = all.filter { checkpoint in
                checkpoint.spellings.contains { $0.hasPrefix(reference) }
            }
            let exact = all.filter { $0.spellings.contains(reference) }
            if exact.count == 1 { candidates = exact }
        }
        if candidates.count == 1 { return candidates[0] }
        if candidates.isEmpty {
            throw StoreError(
                .notFound, reference, "no checkpoint in \(path) is named so",
                remedy: "`crplan list --store \(path)` shows what is there")
        }
        let some = candidates.prefix(4).map(\.id).joined(separator: ", ")
        throw StoreError(
            .ambiguous, reference, "\(candidates.count) checkpoints are named so: \(some)",
            remedy: "write more of the name")
    }

    /// Makes sure that the file system has this much room for unprivileged writers left, and that the store is ours.
    ///
    /// Called before anything is frozen. Makes the store where it is missing.
    package func checkSpace(minimum: UInt64) throws(StoreError) {
        let root = try StoreDirectory.openOrMake(path: path)
        var status = stat()
        if fstat(root.fd.rawValue, &status) == 0, status.st_mode & 0o022 != 0 {
            throw StoreError(
                .failed, path, "others than its owner can write to it, and an image is a program to be run",
                remedy: "chmod go-w \(path)")
        }
        var facts = statvfs()
        guard fstatvfs(root.fd.rawValue, &facts) == 0 else {
            throw StoreError(.failed, path, "cannot be examined", errno: Errno(rawValue: errno))
        }
        let free = UInt64(facts.f_bavail) * UInt64(facts.f_frsize)
        if free < minimum {
            throw StoreError(
                .noSpace, path, "has \(free) bytes free and must have \(minimum)",
                remedy: "make room or lower store.min-free")
        }
    }

    /// Throws unless a text can be one component of a path that is not hidden.
    static func checkComponent(_ text: String) throws(StoreError) {
        let isGood =
            !text.isEmpty && !text.hasPrefix(".") && text.utf8.count <= 255
            && text.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7f && $0 != UInt8(ascii: "/") }
        if !isGood { throw StoreError(.failed, "\"\(text)\"", "cannot be the name of a directory") }
    }
}
