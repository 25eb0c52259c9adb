package import PolicyModel

/// Where the mounts of an image come from that are not made anew: what a restore is told.
package struct MountOutside: Codable, Equatable, Sendable {
    /// The directory that becomes the root.
    package var root: String
    /// Paths by key.
    package var sources: [String: String] = [:]
    /// Paths of block devices by name.
    package var devices: [String: String] = [:]
    /// Mounts that the dump found outside are taken from there.
    package var detects = false
    /// They receive what is mounted outside.
    package var acceptsMasters = false
    /// They pass on what is mounted in them to the outside.
    package var acceptsPeers = false
    package init(root: String) { self.root = root }

    /// What a restore without further words goes by: the sources that the policy gives, else those of today. Nil for a tree
    /// without a mount namespace of its own.
    package init?(_ snapshot: Snapshot, _ allow: Allowances) {
        let allow = MountAllowances(allow)
        guard let facts = snapshot.mounts, let survey = try? MountSurvey(facts, allow) else { return nil }
        root = MountSurvey.pathOutside(of: survey.tree.root, facts.ownRows) ?? "/"
        for mount in survey.mounts {
            guard case .external(let external) = mount.origin else { continue }
            sources[external.key] =
                external.source ?? MountSurvey.pathOutside(of: mount.row, facts.ownRows)
        }
        detects = allow.detects
        acceptsMasters = allow.acceptsMasters
        acceptsPeers = allow.acceptsPeers
    }
}

extension TreeImage {
    /// Whether a mount of the tree is of the device that the dump called so.
    package func mounts(device name: String) -> Bool {
        namespaces.mounts?.mounts.contains {
            $0.externalKey == MountImage.externalDevice && $0.source == "dev[\(name)]"
        } ?? false
    }
}
