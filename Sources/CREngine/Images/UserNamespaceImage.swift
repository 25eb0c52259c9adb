import CPlatform

/// `userns-NS.img`: the maps of a user namespace; see user_namespaces(7). All ids of a tree's other images are as its
/// namespace has them.
package struct UserNamespaceImage: Equatable, Sendable {
    package var users: IDMap
    package var groups: IDMap
    /// What CRIU has no field for is in `crplan.json`. Whether setgroups(2) is denied for good.
    package var deniesGroups = false
    /// Supplementary groups, by their numbers outside, of tasks that cannot be given them from inside: none of the
    /// namespace can set them, or they have no number in it. Nil where each task can set its own.
    package var keptGroups: [UInt32]?

    package init(users: IDMap, groups: IDMap) {
        self.users = users
        self.groups = groups
    }
}

extension UserNamespaceImage {
    func packed() -> [UInt8] {
        MessageArena.pack { arena in
            let message = arena.make(userns_entry__init)
            func rows(_ map: IDMap) -> (Int, UnsafeMutablePointer<UnsafeMutablePointer<UidGidExtent>?>) {
                let rows = map.extents.map { extent in
                    let row = arena.make(uid_gid_extent__init)
                    row.pointee.first = extent.inside
                    row.pointee.lower_first = extent.outside
                    row.pointee.count = extent.count
                    return row
                }
                return (rows.count, arena.array(messages: rows))
            }
            (message.pointee.n_uid_map, message.pointee.uid_map) = rows(users)
            (message.pointee.n_gid_map, message.pointee.gid_map) = rows(groups)
            return message
        }
    }

    init(_ entry: ImageEntry) throws(ImageError) {
        self = try entry.read(userns_entry__unpack) { (message) throws(ImageError) -> UserNamespaceImage in
            func map(_ rows: [UidGidExtent], _ what: String) throws(ImageError) -> IDMap {
                let map = IDMap(
                    rows.map { IDMap.Extent(inside: $0.first, outside: $0.lower_first, count: $0.count) })
                guard map.isPossible else { throw entry.error("a map of \(what) that there cannot be") }
                return map
            }
            return UserNamespaceImage(
                users: try map(messageList(message.uid_map, message.n_uid_map), "users"),
                groups: try map(messageList(message.gid_map, message.n_gid_map), "groups"))
        }
    }
}
