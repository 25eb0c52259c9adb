import CREngine
import Glibc

/// A whole file as text, nil where it cannot be read: the process may be gone.
func text(of path: String) -> String? {
    guard let file = try? OwnedFD.open(path, O_RDONLY), let bytes = try? file.readToEnd() else { return nil }
    return String(decoding: bytes, as: UTF8.self)
}

/// The target of a symbolic link.
func link(at path: String) -> String? {
    var buffer = [CChar](repeating: 0, count: 4096)
    let length = readlink(path, &buffer, buffer.count)
    return length < 0
        ? nil : String(decoding: buffer.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

/// The names in a directory, sorted; empty where it cannot be read.
func names(in path: String) -> [String] {
    guard let directory = opendir(path) else { return [] }
    defer { closedir(directory) }
    var all: [String] = []
    while let entry = readdir(directory) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
            pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        if name != "." && name != ".." { all.append(name) }
    }
    return all.sorted()
}

/// The fields of /proc/PID/stat behind the command's name; the first is the state. See proc(5).
func statFields(_ path: String) -> [Substring] {
    guard let line = text(of: path), let end = line.lastIndex(of: ")") else { return [] }
    return line[line.index(after: end)...].split(whereSeparator: { $0 == " " || $0 == "\n" })
}

/// A process and all its descendants, zombies too, parents before children.
func processTree(of root: Int32) -> [Int32] {
    var children: [Int32: [Int32]] = [:]
    for name in names(in: "/proc") {
        guard let pid = Int32(name), let parent = statFields("/proc/\(pid)/stat").dropFirst().first else {
            continue
        }
        if let parent = Int32(parent) { children[parent, default: []].append(pid) }
    }
    var tree = [root]
    var next = 0
    while next < tree.count {
        tree += (children[tree[next]] ?? []).sorted()
        next += 1
    }
    return tree
}
