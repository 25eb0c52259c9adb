import Glibc
import PolicyModel

/// One group to be there at a restore: from `cgroup.img`, or by its path alone.
struct CgroupGroup {
    var place: String
    var properties: [CgroupImage.Property] = []
    var permissions: CgroupImage.Permissions?
    /// Controllers, `name=x`, or nothing for the unified hierarchy.
    var hierarchy: String

    /// The groups of an image, parents before children. Throws for names that lead elsewhere.
    static func all(_ image: CgroupImage, _ mounts: CgroupMounts) throws(RestoreError) -> [CgroupGroup] {
        var found: [CgroupGroup] = []
        for controller in image.controllers {
            let hierarchy = controller.names.joined(separator: ",")
            for directory in controller.directories {
                let name = try name(directory)
                // A hierarchy that is not mounted is told where a task is to go into it.
                guard
                    let place = mounts.directory(hierarchy: hierarchy, path: name.isEmpty ? "/" : "/" + name)
                else { continue }
                try add(directory, at: place, hierarchy, &found)
                // CRIU gives the root of a hierarchy no name; it is nobody's to change.
                if name.isEmpty { found.removeAll { $0.place == place } }
            }
        }
        return found
    }

    private static func add(
        _ directory: CgroupImage.Directory, at place: String, _ hierarchy: String,
        _ found: inout [CgroupGroup]
    ) throws(RestoreError) {
        found.append(
            CgroupGroup(
                place: place, properties: directory.properties, permissions: directory.permissions,
                hierarchy: hierarchy))
        for child in directory.children {
            let name = try name(child)
            if name.isEmpty {
                throw RestoreError("cgroup below \(place)", "has no name; the image is damaged")
            }
            try add(child, at: place + "/" + name, hierarchy, &found)
        }
    }

    /// A path downwards, whatever the image says.
    private static func name(_ directory: CgroupImage.Directory) throws(RestoreError) -> String {
        try checked(String(directory.name.drop { $0 == "/" }))
    }

    static func checked(_ path: String) throws(RestoreError) -> String {
        if path.isEmpty || path == "/" { return path }
        let parts = path.drop { $0 == "/" }.split(separator: "/", omittingEmptySubsequences: false)
        if parts.contains("..") || parts.contains(".") || parts.contains("") {
            throw RestoreError("cgroup \(path)", "is no path below its hierarchy; the image is damaged")
        }
        return path
    }

    var isThere: Bool { access(place, F_OK) == 0 }

    /// Writes control files that say something else than the image. Files that this kernel does not have are left out.
    /// Returns what was refused, a line each: limits depend on one another, so what was refused first may be taken later.
    func apply(_ rules: CgroupPropertyRules, _ wanted: (String) -> Bool) -> [String] {
        let known = Set(CgroupProperties.names(hierarchy: hierarchy, rules))
        var open = properties.filter { known.contains($0.name) && wanted($0.name) }
        var refused: [String] = []
        for _ in 0..<2 {
            refused = []
            var left: [CgroupImage.Property] = []
            for property in open {
                do throws(Errno) {
                    try write(property)
                } catch {
                    left.append(property)
                    refused.append("\(place)/\(property.name) cannot be set to \(property.value): \(error)")
                }
            }
            if left.isEmpty { break }
            open = left
        }
        return refused
    }

    private func write(_ property: CgroupImage.Property) throws(Errno) {
        let file = place + "/" + property.name
        if access(file, F_OK) != 0 || CgroupProperties.listsTasks(property.name) { return }
        let now = try ProcText.read(file)
        if now.hasSuffix("\n") ? now.dropLast() == property.value : now == property.value { return }
        switch property.name {
        case "devices.list":
            try ProcText.write(place + "/devices.deny", "a")
            for rule in property.value.split(separator: "\n") {
                try ProcText.write(place + "/devices.allow", String(rule))
            }
        case "memory.oom_control":
            // The first line alone can be written, and without its name.
            let first = property.value.split(separator: "\n").first?.split(separator: " ").last
            if let first, first != now.split(separator: "\n").first?.split(separator: " ").last {
                try ProcText.write(file, String(first))
            }
        case "cgroup.subtree_control":
            let words = property.value.split(separator: " ").map { "+\($0)" }
            if !words.isEmpty { try ProcText.write(file, words.joined(separator: " ")) }
        case "cgroup.type":
            if property.value == "threaded" { try ProcText.write(file, property.value) }
        case "io.max", "net_prio.ifpriomap":
            for line in property.value.split(separator: "\n") { try ProcText.write(file, String(line)) }
        default:
            try ProcText.write(file, property.value)
        }
    }

    /// Owner and mode of the group and of its control files.
    func applyOwners() {
        let rows = [(place, permissions)] + properties.map { (place + "/" + $0.name, $0.permissions) }
        for case (let path, let owner?) in rows {
            _ = chown(path, owner.uid, owner.gid)
            _ = chmod(path, owner.mode & 0o7777)
        }
    }
}
