/// What a restore does to make the mounts of an image, as a pure function of the image and of what the restore is told.
struct MountPlan: Equatable, Sendable {
    typealias Outside = MountOutside

    /// How a mount is had, before it is put in its place.
    enum Source: Equatable, Sendable {
        /// Path of ours. Where it keeps to the peer group, or to the master, that the path's mount has outside.
        case outside(path: String, keeps: Kept)
        /// A new file system; `part` of it when not all is shown. `contents` is the archive that fills it.
        case anew(fileSystem: String, source: String, options: [String], contents: String?, part: String)
        /// A part of another mount's file system.
        case bind(of: UInt32, part: String)
    }
    enum Kept: Equatable, Sendable {
        case nothing
        case peers
        case master
    }
    struct Step: Equatable, Sendable {
        var mount: MountImage
        var source: Source
        /// Of the parent and the place in it; nil for the root.
        var place: Place?
    }
    struct Place: Equatable, Sendable {
        var parent: UInt32
        var path: String
    }
    /// A peer group, or slaves without one.
    struct Group: Equatable, Sendable {
        /// Of the image; 0 for slaves that have no peers.
        var id: UInt32
        var master: UInt32
        /// The first is whom the others join.
        var members: [UInt32]
        /// No member shows enough for the others to join it: a helper that shows all of this mount's file system does.
        var helper: UInt32?
    }

    /// Parents before children.
    var steps: [Step]
    /// In which order mounts are had: sources of binds first.
    var sourceOrder: [UInt32]
    /// Masters first.
    var groups: [Group]

    init(_ image: MountNamespaceImage, _ outside: Outside) throws(RestoreError) {
        let tree: MountTree<MountImage>
        do throws(MountTree<MountImage>.Flaw) {
            tree = try MountTree(image.mounts)
        } catch {
            throw RestoreError("the mounts of the image", error.description)
        }
        let mounts = tree.attachOrder
        let byID = Dictionary(uniqueKeysWithValues: mounts.map { ($0.id, $0) })
        var sources: [UInt32: Source] = [:]
        var order: [UInt32] = []
        // The widest part of a file system first, the root before all, so that others can be bound from it.
        let byWidth = mounts.enumerated().sorted {
            func rank(_ entry: (offset: Int, element: MountImage)) -> (Int, Int, Int) {
                let mount = entry.element
                let isFirst = mount.id == tree.root.id || mount.externalKey != nil
                return (isFirst ? 0 : 1, isFirst ? 0 : mount.root.utf8.count, entry.offset)
            }
            return rank($0) < rank($1)
        }.map(\.element)
        for mount in byWidth {
            let bindable = byWidth.first {
                $0.device == mount.device && sources[$0.id] != nil
                    && MountPath.rest(of: mount.root, below: $0.root) != nil
            }
            let isRoot = mount.id == tree.root.id
            sources[mount.id] = try Self.source(of: mount, isRoot: isRoot, bindable, outside)
            order.append(mount.id)
        }
        sourceOrder = order
        steps = mounts.compactMap { mount in
            guard let source = sources[mount.id] else { return nil }
            let place = byID[mount.parent].flatMap { parent in
                mount.id == tree.root.id
                    ? nil
                    : MountTree.path(of: mount, below: parent).map { Place(parent: parent.id, path: $0) }
            }
            return Step(mount: mount, source: source, place: place)
        }
        groups = try Self.groups(mounts, sources)
        for place in groups.indices { groups[place].helper = try helper(for: groups[place], byID) }
    }

    /// Whether others are bound from it.
    func isBound(_ id: UInt32) -> Bool {
        steps.contains { if case .bind(id, _) = $0.source { true } else { false } }
    }

    func kept(_ id: UInt32) -> Kept {
        if case .outside(_, let kept)? = steps.first(where: { $0.mount.id == id })?.source {
            kept
        } else {
            .nothing
        }
    }

    /// MOVE_MOUNT_SET_GROUP takes only a mount whose root holds that of the other.
    private func helper(for group: Group, _ byID: [UInt32: MountImage]) throws(RestoreError) -> UInt32? {
        guard group.id != 0, let leader = group.members.first.flatMap({ byID[$0] }) else { return nil }
        let slaves = groups.filter { $0.master == group.id }.flatMap(\.members)
        let joining = (group.members + slaves).compactMap { byID[$0] }
        if joining.allSatisfy({ MountPath.rest(of: $0.root, below: leader.root) != nil }) { return nil }
        let primaries = Set(joining.map { primary(of: $0.id) })
        guard primaries.count == 1, let primary = primaries.first else {
            throw Self.error(
                leader, "shares with a mount that has another source",
                remedy: "map all mounts of its peer group to one source")
        }
        return primary
    }

    /// The mount that a chain of binds leads to.
    func primary(of id: UInt32) -> UInt32 {
        var here = id
        // Each bind is of one that was placed before it, so this ends.
        while case .bind(let other, _)? = steps.first(where: { $0.mount.id == here })?.source { here = other }
        return here
    }

    private static func source(
        of mount: MountImage, isRoot: Bool, _ bindable: MountImage?, _ outside: Outside
    ) throws(RestoreError) -> Source {
        if isRoot { return .outside(path: outside.root, keeps: .nothing) }
        if let key = mount.externalKey {
            return try external(mount, key, outside)
        }
        if let bindable {
            return .bind(of: bindable.id, part: MountPath.rest(of: mount.root, below: bindable.root) ?? "")
        }
        guard let kind = MountFileSystem.coded(mount.fileSystem) else {
            throw error(
                mount, "has a file system of kind \(mount.fileSystem), which this build does not know")
        }
        var options = mount.options.split(separator: ",").map(String.init)
        switch kind.making {
        case _ where mount.isDeleted:
            throw error(
                mount, "shows what had been deleted", remedy: "map it: --external 'mnt[KEY]:PATH' at the dump"
            )
        case .fromOutside, .served:
            throw error(
                mount, "cannot be made anew, and the image has no key for it",
                remedy: "dump again with ext-mount-map")
        case .instance:
            // Of the host, then.
            guard let place = options.firstIndex(of: "newinstance") else {
                return .outside(path: "/dev/pts", keeps: .nothing)
            }
            options.remove(at: place)
        case .anew, .withContents: break
        }
        guard let name = mount.fileSystemName ?? (kind == .byName ? nil : kind.name) else {
            throw error(mount, "has a file system without a name")
        }
        let part = mount.root == MountImage.noRoot ? "" : String(mount.root.dropFirst())
        return .anew(
            fileSystem: name, source: mount.source, options: options,
            contents: kind.making == .withContents ? ImageName.mountContents(mount.device) : nil, part: part)
    }

    private static func external(
        _ mount: MountImage, _ key: String, _ outside: Outside
    ) throws(RestoreError) -> Source {
        // As its group is not of the image.
        let keeps: Kept =
            mount.peerGroup != 0 && !mount.hasInternalSharing && outside.acceptsPeers
            ? .peers : mount.masterGroup != 0 && outside.acceptsMasters ? .master : .nothing
        if key == MountImage.externalDevice {
            let name = String(mount.source.dropFirst(4).dropLast())
            guard let path = outside.devices[name] else {
                throw error(
                    mount, "is of the device \"\(name)\"",
                    remedy: "name it: --external dev[\(name)]:/dev/PATH")
            }
            let options = mount.options.split(separator: ",").map(String.init)
            return .anew(
                fileSystem: mount.fileSystemName ?? "", source: path, options: options, contents: nil,
                part: "")
        }
        if key == MountImage.autodetected {
            guard outside.detects else {
                throw error(mount, "was found outside by the dump", remedy: "restore with --external 'mnt[]'")
            }
            return .outside(path: mount.source, keeps: keeps)
        }
        guard let path = outside.sources[key] else {
            throw error(
                mount, "comes from outside, and nothing says from where",
                remedy: "name it: --external 'mnt[\(key)]:/PATH'")
        }
        return .outside(path: path, keeps: keeps)
    }

    /// Groups in an order in which each one's master is there already.
    private static func groups(
        _ mounts: [MountImage], _ sources: [UInt32: Source]
    ) throws(RestoreError) -> [Group] {
        var groups: [Group] = []
        func keeps(_ mount: MountImage) -> Kept {
            if case .outside(_, let kept)? = sources[mount.id] { kept } else { .nothing }
        }
        let known = Set(mounts.map(\.peerGroup)).subtracting([0])
        for mount in mounts where mount.peerGroup != 0 || mount.masterGroup != 0 {
            // A master outside comes with the mount that keeps it, or is given up.
            let master = known.contains(mount.masterGroup) ? mount.masterGroup : 0
            if mount.peerGroup == 0 {
                if master != 0 { groups.append(Group(id: 0, master: master, members: [mount.id])) }
            } else if let place = groups.firstIndex(where: { $0.id == mount.peerGroup }) {
                groups[place].members.append(mount.id)
            } else {
                groups.append(Group(id: mount.peerGroup, master: master, members: [mount.id]))
            }
        }
        // One that keeps what it has outside is whom the others join; else one that shows the most.
        let byID = Dictionary(uniqueKeysWithValues: mounts.map { ($0.id, $0) })
        for place in groups.indices {
            groups[place].members.sort { a, b in
                guard let a = byID[a], let b = byID[b] else { return false }
                let (first, second) = (keeps(a) == .nothing ? 1 : 0, keeps(b) == .nothing ? 1 : 0)
                return (first, a.root.utf8.count, a.id) < (second, b.root.utf8.count, b.id)
            }
        }
        var ordered: [Group] = []
        var made: Set<UInt32> = [0]
        while !groups.isEmpty {
            let ready = groups.filter { made.contains($0.master) }
            guard !ready.isEmpty else {
                throw RestoreError(
                    "the mounts of the image", "have peer groups that are each other's masters")
            }
            ordered += ready
            made.formUnion(ready.map(\.id))
            groups.removeAll { made.contains($0.master) && ready.contains($0) }
        }
        return ordered
    }

    private static func error(_ mount: MountImage, _ fact: String, remedy: String? = nil) -> RestoreError {
        RestoreError("mount \(mount.id) at \(mount.mountPoint)", fact, remedy: remedy)
    }
}
