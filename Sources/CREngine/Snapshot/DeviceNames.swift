import Glibc

/// Names by which a device can be opened whose own name is gone or covered.
enum DeviceNames {
    private static let deepest = 3

    /// The path itself where another node of the same number is there now, else the first such node below /dev. Nil for
    /// what is no device, for terminals, whose names are their own, and where there is none.
    static func name(of facts: FileFacts, at path: String) -> String? {
        guard facts.type == .characterDevice || facts.type == .blockDevice,
            ![2, 3, 4, 5, 128, 129, 130, 131, 132, 133, 134, 135, 136, 137, 138, 139, 140, 141, 142, 143]
                .contains(facts.represents.major)
        else { return nil }
        if leads(path, to: facts) { return path }
        return search("/dev", facts, depth: 0)
    }

    private static func leads(_ path: String, to facts: FileFacts) -> Bool {
        guard let now = try? FileFacts.of(path, followingLinks: false) else { return false }
        return now.type == facts.type && now.represents == facts.represents
    }

    private static func search(_ directory: String, _ facts: FileFacts, depth: Int) -> String? {
        guard depth < deepest, let handle = opendir(directory) else { return nil }
        defer { closedir(handle) }
        var names: [(name: String, isDirectory: Bool)] = []
        while let entry = readdir(handle) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { raw in
                String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name == "." || name == ".." { continue }
            let type = Int32(entry.pointee.d_type)
            if type == Int32(DT_DIR) { names.append((name, true)) }
            if type == Int32(DT_CHR) || type == Int32(DT_BLK) { names.append((name, false)) }
        }
        for item in names.sorted(by: { $0.name < $1.name }) where !item.isDirectory {
            if leads("\(directory)/\(item.name)", to: facts) { return "\(directory)/\(item.name)" }
        }
        for item in names.sorted(by: { $0.name < $1.name }) where item.isDirectory {
            if let found = search("\(directory)/\(item.name)", facts, depth: depth + 1) { return found }
        }
        return nil
    }
}
