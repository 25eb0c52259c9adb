import PolicyModel

extension CgroupImage {
    /// The image with its topmost groups elsewhere, and the tasks that are in them or below: CRIU's --cgroup-root.
    func moved(to choice: CgroupChoice) -> CgroupImage {
        var image = self
        for place in image.controllers.indices {
            let names = image.controllers[place].names
            guard let root = choice.root(ofHierarchy: names.joined(separator: ",")) else { continue }
            for old in image.controllers[place].directories.indices {
                let from = "/" + image.controllers[place].directories[old].name.drop { $0 == "/" }
                image.controllers[place].directories[old].name = String(root.dropFirst())
                image.move(names.joined(separator: ","), from: from, to: root)
            }
        }
        return image
    }

    private mutating func move(_ hierarchy: String, from: String, to root: String) {
        for set in sets.indices {
            for place in sets[set].members.indices where sets[set].members[place].hierarchy == hierarchy {
                let path = sets[set].members[place].path
                // The root of a hierarchy is nobody's to move.
                guard from != "/", path == from || path.hasPrefix(from + "/") else { continue }
                let rest = path.dropFirst(from.count)
                let prefix = sets[set].members[place].namespacePrefix.map(Int.init)
                sets[set].members[place].path =
                    root == "/" ? (rest.isEmpty ? "/" : String(rest)) : root + rest
                // The root of a namespace moves with the groups; one further up comes down to where they are now.
                let top = root == "/" ? 0 : root.utf8.count
                sets[set].members[place].namespacePrefix = prefix.map {
                    UInt32(top + max(0, $0 - from.utf8.count))
                }
            }
        }
    }
}
