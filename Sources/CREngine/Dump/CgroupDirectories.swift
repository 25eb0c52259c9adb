import Glibc
import PolicyModel

/// Reads the groups that a tree is in: their control files, owners, modes, and the groups below them.
enum CgroupDirectories {
    /// More than this below one group are left out.
    private static let deepest = 32

    /// `path` as in /proc/PID/cgroup. Of a group that cannot be looked at the name alone.
    static func read(
        _ mounts: CgroupMounts?, hierarchy: String, path: String, _ rules: CgroupPropertyRules
    ) -> CgroupImage.Directory {
        let name = String(path.drop { $0 == "/" })
        guard let place = mounts?.directory(hierarchy: hierarchy, path: path) else {
            return CgroupImage.Directory(name: name)
        }
        return read(name, place, CgroupProperties.names(hierarchy: hierarchy, rules), depth: 0)
    }

    private static func read(
        _ name: String, _ place: String, _ names: [String], depth: Int
    ) -> CgroupImage.Directory {
        var directory = CgroupImage.Directory(name: name)
        directory.permissions = permissions(place)
        for property in names {
            let file = place + "/" + property
            guard let owner = permissions(file) else { continue }
            var value = ""
            if !CgroupProperties.listsTasks(property) {
                // Files that can only be written say nothing.
                guard let text = try? ProcText.read(file) else { continue }
                value = text.hasSuffix("\n") ? String(text.dropLast()) : text
            }
            directory.properties.append(
                CgroupImage.Property(name: property, value: value, permissions: owner))
        }
        if depth < deepest {
            for child in children(place) {
                directory.children.append(read(child, place + "/" + child, names, depth: depth + 1))
            }
        }
        return directory
    }

    private static func permissions(_ path: String) -> CgroupImage.Permissions? {
        var status = stat()
        guard lstat(path, &status) == 0 else { return nil }
        return CgroupImage.Permissions(mode: status.st_mode, uid: status.st_uid, gid: status.st_gid)
    }

    /// Names of the groups right below one.
    static func children(_ place: String) -> [String] {
        guard let directory = opendir(place) else { return [] }
        defer { closedir(directory) }
        var found: [String] = []
        while let entry = readdir(directory) {
            guard entry.pointee.d_type == UInt8(DT_DIR) else { continue }
            let name = withUnsafeBytes(of: entry.pointee.d_name) { raw in
                String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != "." && name != ".." { found.append(name) }
        }
        return found.sorted()
    }
}
