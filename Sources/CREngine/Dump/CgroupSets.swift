import PolicyModel

/// The sets of cgroup memberships that occur in a tree; set 1 is that of the dumping process.
struct CgroupSets {
    private var sets: [[CgroupImage.Member]]
    /// Hierarchies in which a thread is elsewhere than its process.
    private var threaded: Set<String> = []

    /// Of the tree's own cgroup namespace.
    private let roots: CgroupNamespaceRoots

    init(own: [CgroupRow], roots: CgroupNamespaceRoots) {
        sets = [Self.members(own)]
        self.roots = roots
    }

    /// The number of a set, a new one where it has not occurred yet.
    mutating func number(of rows: [CgroupRow]) -> UInt32 {
        var members = Self.members(rows)
        for place in members.indices {
            members[place].namespacePrefix = roots.prefix(
                of: members[place].path, hierarchy: members[place].hierarchy)
        }
        if let place = sets.firstIndex(of: members) { return UInt32(place + 1) }
        sets.append(members)
        return UInt32(sets.count)
    }

    /// Takes down where a thread differs from its process.
    mutating func note(thread: [CgroupRow], process: [CgroupRow]) {
        for (one, other) in zip(Self.members(thread), Self.members(process)) where one.path != other.path {
            threaded.insert(one.hierarchy)
        }
    }

    /// `cgroup.img`; nil where every thread is in the dumping process's own set. With `ignore` nothing is said of the
    /// groups themselves.
    func image(_ mode: DumpSettings.Cgroups, _ choice: CgroupChoice) -> CgroupImage? {
        if sets.count == 1 { return nil }
        var image = CgroupImage(
            sets: sets.enumerated().map {
                CgroupImage.MembershipSet(id: UInt32($0.offset + 1), members: $0.element)
            })
        if mode == .ignore { return image }
        let mounts = try? CgroupMounts.read(yard: choice.yard)
        for hierarchy in sets[0].map(\.hierarchy) where choice.describes(hierarchy: hierarchy) {
            let paths = choice.root(ofHierarchy: hierarchy).map { [$0] } ?? topmost(hierarchy)
            var controller = CgroupImage.Controller(
                names: hierarchy.split(separator: ",", omittingEmptySubsequences: false).map(String.init),
                directories: paths.map {
                    CgroupDirectories.read(mounts, hierarchy: hierarchy, path: $0, choice.properties)
                })
            controller.isThreaded = threaded.contains(hierarchy)
            image.controllers.append(controller)
        }
        return image
    }

    /// Groups of the tree that are not the dumping process's own; what is below one of them comes with it.
    private func topmost(_ hierarchy: String) -> [String] {
        func path(_ set: [CgroupImage.Member]) -> String? { set.first { $0.hierarchy == hierarchy }?.path }
        let own = path(sets[0])
        let paths = Set(sets.dropFirst().compactMap(path)).filter { $0 != "/" && $0 != own }
        return paths.filter { path in !paths.contains { $0 != path && path.hasPrefix($0 + "/") } }.sorted()
    }

    private static func members(_ rows: [CgroupRow]) -> [CgroupImage.Member] {
        rows.map { CgroupImage.Member(hierarchy: $0.controllers, path: $0.path) }.sorted {
            $0.hierarchy < $1.hierarchy
        }
    }
}
