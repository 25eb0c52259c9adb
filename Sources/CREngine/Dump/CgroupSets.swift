/// The sets of cgroup memberships that occur in a tree; set 1 is that of the dumping process.
struct CgroupSets {
    private var sets: [[CgroupImage.Member]]

    init(own: [CgroupRow]) { sets = [Self.members(own)] }

    /// The number of a set, a new one where it has not occurred yet.
    mutating func number(of rows: [CgroupRow]) -> UInt32 {
        let members = Self.members(rows)
        if let place = sets.firstIndex(of: members) { return UInt32(place + 1) }
        sets.append(members)
        return UInt32(sets.count)
    }

    /// `cgroup.img`; nil where every thread is in the dumping process's own set.
    var image: CgroupImage? {
        if sets.count == 1 { return nil }
        var image = CgroupImage(
            sets: sets.enumerated().map {
                CgroupImage.MembershipSet(id: UInt32($0.offset + 1), members: $0.element)
            })
        for hierarchy in sets[0].map(\.hierarchy) {
            let paths = Set(sets.flatMap { $0 }.filter { $0.hierarchy == hierarchy }.map(\.path)).sorted()
            let directories = paths.filter { $0 != "/" }.map {
                CgroupImage.Directory(name: String($0.drop { $0 == "/" }))
            }
            image.controllers.append(
                CgroupImage.Controller(
                    names: hierarchy.split(separator: ",", omittingEmptySubsequences: false).map(String.init),
                    directories: directories))
        }
        return image
    }

    private static func members(_ rows: [CgroupRow]) -> [CgroupImage.Member] {
        rows.map { CgroupImage.Member(hierarchy: $0.controllers, path: $0.path) }.sorted {
            $0.hierarchy < $1.hierarchy
        }
    }
}
