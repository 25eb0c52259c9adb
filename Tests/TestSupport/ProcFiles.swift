import CPlatform
package import CREngine
import Glibc

/// A whole file as text, nil where it cannot be read: the process may be gone.
package func text(of path: String) -> String? {
    guard let file = try? OwnedFD.open(path, O_RDONLY), let bytes = try? file.readToEnd() else { return nil }
    return String(decoding: bytes, as: UTF8.self)
}

/// The target of a symbolic link.
package func link(at path: String) -> String? {
    var buffer = [CChar](repeating: 0, count: 4096)
    let length = readlink(path, &buffer, buffer.count)
    return length < 0
        ? nil : String(decoding: buffer.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

/// The names in a directory, sorted; empty where it cannot be read.
package func names(in path: String) -> [String] {
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
package func statFields(_ path: String) -> [Substring] {
    guard let line = text(of: path), let end = line.lastIndex(of: ")") else { return [] }
    return line[line.index(after: end)...].split(whereSeparator: { $0 == " " || $0 == "\n" })
}

/// A process and all its descendants, zombies too, parents before children.
package func processTree(of root: Int32) -> [Int32] {
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

/// Removes a tree of files, without following links.
package func remove(_ path: String) {
    if unlink(path) == 0 || errno == ENOENT { return }
    for name in names(in: path) { remove("\(path)/\(name)") }
    rmdir(path)
}

/// All processes of a session, zombies too.
package func membersOf(session: Int32) -> [Int32] {
    names(in: "/proc").compactMap { Int32($0) }.filter { pid in
        statFields("/proc/\(pid)/stat").dropFirst(3).first == "\(session)"
    }
}

/// A new directory below `parent`, with `run/` inside, which a process may write whatever user it becomes.
package func makeDirectory(in parent: String) throws(Errno) -> String {
    var template = Array("\(parent)/crplan-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw Errno(rawValue: errno) }
    let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    chmod(path, 0o755)
    mkdir(path + "/run", 0o777)
    chmod(path + "/run", 0o777)
    return path
}

/// Writes a whole file, replacing it.
package func write(_ text: String, to path: String, mode: UInt32 = 0o644) throws(Errno) {
    let file = try OwnedFD.open(path, O_WRONLY | O_CREAT | O_TRUNC, mode: mode)
    try file.writeAll(Array(text.utf8))
}

/// Tracing is heavy: one run at a time on the whole machine, whoever starts them.
package func takeTurn() throws(Errno) -> OwnedFD {
    let lock = try OwnedFD.open("/tmp/crplan-subject-runner.lock", O_RDWR | O_CREAT, mode: 0o600)
    try systemCall(CP_SYS_flock, Int(lock.rawValue), Int(LOCK_EX))
    return lock
}
