import PolicyModel

extension MountSurvey {
    /// The image of the namespace, without what its file systems hold.
    ///
    /// Throws a line where the rules should have blocked.
    package func image() throws(DumpError) -> MountNamespaceImage {
        var image = MountNamespaceImage()
        for mount in mounts where mount.origin != .skipped { image.mounts.append(try self.image(of: mount)) }
        // As CRIU has them, the last mounted first.
        image.mounts.reverse()
        return image
    }

    private func image(of mount: Placed) throws(DumpError) -> MountImage {
        let row = mount.row
        let kind = MountFileSystem.named(row.fileSystem)
        var options = MountFlags.ownOptions(of: row)
        if kind.making == .instance, !facts.ownRows.contains(where: { $0.device == row.device }) {
            options.append("newinstance")
        }
        var image = MountImage(
            id: row.nodeID, parent: row.parentID, device: row.device.kernelEncoding, fileSystem: kind.code,
            flags: MountFlags(of: row), root: row.root, mountPoint: row.mountPoint, source: row.source,
            options: options.joined(separator: ","))
        image.superblockFlags = MountFlags(superblockOf: row)
        image.peerGroup = row.peerGroup
        image.masterGroup = row.masterGroup
        image.isDeleted = row.isDeleted
        image.root = row.rootAsItWas
        switch mount.origin {
        case .external(let external): image.externalKey = external.key
        case .detected(let source):
            image.externalKey = MountImage.autodetected
            image.source = source
        case .device(let name):
            image.fileSystem = MountFileSystem.byName.code
            image.fileSystemName = row.fileSystem
            image.source = "dev[\(name)]"
            image.externalKey = MountImage.externalDevice
        case .anew where kind.making == .fromOutside:
            image.fileSystem = MountFileSystem.byName.code
            image.fileSystemName = row.fileSystem
        case .none(let code):
            throw .cannotCarry(
                "process \(facts.pid): mount \(row.id) at \(row.mountPoint) cannot be carried (\(code.rawValue))"
            )
        case .root, .anew, .bind, .skipped: break
        }
        if image.externalKey != nil, row.peerGroup != 0 {
            image.hasInternalSharing = !facts.ownRows.contains { $0.peerGroup == row.peerGroup }
        }
        return image
    }

    /// File systems in memory whose files go into the image: of each, the mount that shows it whole.
    package var withContents: [MountRow] {
        mounts.filter {
            $0.origin == .anew && MountFileSystem.named($0.row.fileSystem).making == .withContents
        }.map(\.row)
    }
}
