import Glibc
import PolicyModel

/// Puts tasks into the groups of their set, where it differs from that of whoever made the image; makes groups that are
/// gone, and gives them their properties, as the mode says. See --manage-cgroups in criu(8).
final class CgroupBuilder {
    let sets: [UInt32: CgroupImage.MembershipSet]
    private let rootSet: UInt32?
    let mounts: CgroupMounts
    let mode: DumpSettings.Cgroups
    private let rules: CgroupPropertyRules
    /// Our own membership lines, `hierarchy:path`.
    let own: Set<String>
    private var groups: [CgroupGroup] = []
    /// Directories that were made, in this order.
    private var made: [String] = []
    /// Places of groups that get their properties.
    private var managed: Set<String> = []

    init(tree: TreeImage, _ options: RestoreOptions) throws(RestoreError) {
        let image = options.cgroups == .ignore ? nil : tree.cgroups?.moved(to: options.cgroupChoice)
        mode = options.cgroups
        rules = options.cgroupChoice.properties
        sets = Dictionary(
            (image?.sets ?? []).map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        rootSet = tree.inventory.rootCgroupSet
        guard let image else {
            (mounts, own) = (CgroupMounts(mountinfo: ""), [])
            return
        }
        (mounts, own) = try RestoreError.about("cgroups", "cannot be examined") { () throws(Errno) in
            let lines = try ProcText.read("/proc/self/cgroup").split(separator: "\n")
            return (
                try CgroupMounts.read(yard: options.cgroupChoice.yard),
                Set(lines.map { String($0.drop { $0 != ":" }.dropFirst()) })
            )
        }
        var entered: Set<String> = []
        // Those of which the image says nothing else.
        for task in tree.tasks {
            for thread in task.threads {
                guard let id = thread.cgroupSet, id != rootSet, let set = sets[id] else { continue }
                for member in foreign(set) {
                    guard
                        let place = mounts.directory(
                            hierarchy: member.hierarchy, path: try CgroupGroup.checked(member.path)),
                        member.path != "/", entered.insert(place).inserted
                    else { continue }
                    groups.append(CgroupGroup(place: place, hierarchy: member.hierarchy))
                }
            }
        }
        // CRIU takes down whole hierarchies; what is not the tree's stays as it is.
        let known = try CgroupGroup.all(image, mounts).filter { group in
            entered.contains { ($0 + "/").hasPrefix(group.place + "/") || group.place.hasPrefix($0 + "/") }
        }
        let places = Set(known.map(\.place))
        groups = known + groups.filter { !places.contains($0.place) }
    }

    /// What stands in the way: hierarchies that are not mounted; groups that have to be there, or must not be.
    func problems(_ tree: TreeImage) -> [RestoreError] {
        if mode == .ignore { return [] }
        var found = namespaceProblems(tree)
        for id in Set(tree.tasks.flatMap { $0.threads.compactMap(\.cgroupSet) }).sorted() where id != rootSet
        {
            guard let set = sets[id] else {
                if id != 0 && rootSet != nil {
                    found.append(RestoreError("cgroup set \(id)", "is missing from cgroup.img"))
                }
                continue
            }
            for member in foreign(set) {
                guard let place = mounts.directory(hierarchy: member.hierarchy, path: member.path) else {
                    found.append(
                        RestoreError("cgroup hierarchy \(member.hierarchy)", "is not mounted here"))
                    continue
                }
                let isThere = access(place, F_OK) == 0
                if !isThere, mode == .none || mode == .props {
                    found.append(
                        RestoreError(
                            "cgroup \(place)", "does not exist",
                            remedy: "make it before the restore, or restore with --manage-cgroups=soft"))
                } else if isThere, mode == .strict, member.path != "/" {
                    found.append(
                        RestoreError(
                            "cgroup \(place)", "exists already",
                            remedy: "remove it, or restore with --manage-cgroups=soft"))
                }
            }
        }
        return found
    }

    /// Makes what is missing. What a task cannot enter without comes with it.
    func make(keeper: RestoreKeeper) throws(RestoreError) {
        for group in groups {
            let wasThere = group.isThere
            if !wasThere {
                if mode == .none || mode == .props { continue }
                try make(group.place, keeper)
            }
            guard mode == .props || mode == .full || mode == .strict || !wasThere else { continue }
            managed.insert(group.place)
            try complain(group.apply(rules, CgroupProperties.isEarly))
            group.applyOwners()
        }
    }

    private func make(_ place: String, _ keeper: RestoreKeeper) throws(RestoreError) {
        if access(place, F_OK) == 0 { return }
        let parent = String(place[..<(place.lastIndex(of: "/") ?? place.startIndex)])
        if !parent.isEmpty { try make(parent, keeper) }
        try keeper.prepare()
        if mkdir(place, 0o755) != 0 {
            let refusal = Errno(rawValue: errno)
            if refusal == .exists { return }
            throw RestoreError("cgroup \(place)", "cannot be made", errno: refusal)
        }
        made.append(place)
        try keeper.note(.group(place))
    }

    /// Moves a process, whose threads to come inherit the groups, or a further thread that is in others.
    func place(_ thread: StubThread, _ image: ThreadImage, leader: ThreadImage?) throws(RestoreError) {
        guard let id = image.cgroupSet, id != rootSet, let set = sets[id] else { return }
        let isLeader = leader == nil
        if !isLeader && leader?.cgroupSet == id { return }
        for member in foreign(set) {
            guard let directory = mounts.directory(hierarchy: member.hierarchy, path: member.path) else {
                continue
            }
            let file = isLeader ? "cgroup.procs" : member.hierarchy.isEmpty ? "cgroup.threads" : "tasks"
            let path = directory + "/" + file
            try RestoreError.about("task \(thread.tid)", "cannot be put into \(path)") {
                () throws(Errno) -> Void in try ProcText.write(path, "\(thread.tid)")
            }
        }
    }

    /// Limits, when everything is there that they limit.
    func limit() throws(RestoreError) {
        for group in groups where managed.contains(group.place) {
            try complain(
                group.apply(rules) { !CgroupProperties.isEarly($0) && !CgroupProperties.freezes($0) })
        }
    }

    /// Freezes groups that were frozen; their tasks stop where they are let go.
    func freeze() throws(RestoreError) {
        for group in groups where managed.contains(group.place) {
            try complain(group.apply(rules, CgroupProperties.freezes))
        }
    }

    /// Takes away what was made, once the tasks are gone.
    func undo() {
        for place in made.reversed() { _ = rmdir(place) }
        made = []
    }

    private func complain(_ refused: [String]) throws(RestoreError) {
        if let first = refused.first {
            throw RestoreError(
                "cgroup", first, remedy: "restore with --manage-cgroups=none, into groups that are there")
        }
    }

    private func foreign(_ set: CgroupImage.MembershipSet) -> [CgroupImage.Member] {
        set.members.filter { !own.contains("\($0.hierarchy):\($0.path)") }
    }
}
