import Glibc

/// Paths of watched files whose handles lead nowhere or to no name: CRIU's --force-irmap and --irmap-scan-path.
///
/// Directories are searched for the inode before the tree is frozen; what turns up later is searched for then.
final class WatchPathSearch {
    private struct Inode: Hashable {
        var device: UInt32
        var inode: UInt64
    }
    /// Where CRIU looks without being told.
    private static let hints = [
        "/etc", "/var/spool", "/usr/share/dbus-1/system-services", "/var/lib/polkit-1/localauthority",
        "/usr/share/polkit-1/actions", "/lib/udev",
    ]
    private let directories: [String]
    private let isForced: Bool
    private var known: [Inode: String] = [:]
    private var missed: Set<Inode> = []

    /// `isForced`: a watch without a path is searched for too, though its handle can be opened.
    init(directories: [String], isForced: Bool) {
        self.directories = directories + (isForced ? Self.hints : [])
        self.isForced = isForced
    }

    /// Fills in the paths that are found.
    func resolve(_ snapshot: inout Snapshot) {
        if directories.isEmpty { return }
        func isWanted(_ watch: Watch) -> Bool {
            if case .mount = watch.row.place { return false }
            return !watch.isFound || isForced && watch.path == nil
        }
        func key(_ watch: Watch) -> Inode { Inode(device: watch.row.device, inode: watch.row.inode) }
        let wanted = Set(snapshot.watches.values.flatMap(\.watches).filter(isWanted).map(key))
            .subtracting(known.keys).subtracting(missed)
        if !wanted.isEmpty {
            var left = wanted
            for directory in directories where !left.isEmpty { search(directory, &left) }
            missed.formUnion(left)
        }
        for id in snapshot.watches.keys {
            guard var facts = snapshot.watches[id] else { continue }
            for place in facts.watches.indices where isWanted(facts.watches[place]) {
                guard let path = known[key(facts.watches[place])] else { continue }
                facts.watches[place].path = path
                facts.watches[place].isFound = true
            }
            snapshot.watches[id] = facts
        }
    }

    /// Looks at a path and, if it is a directory, at all below it; other file systems are not entered.
    private func search(_ path: String, _ left: inout Set<Inode>) {
        var pending = [path]
        var device: DeviceNumber?
        while let next = pending.popLast(), !left.isEmpty {
            guard let facts = try? FileFacts.of(next, followingLinks: false),
                device == nil || device == facts.device
            else { continue }
            device = facts.device
            let key = Inode(device: facts.device.kernelEncoding, inode: facts.inode)
            if left.remove(key) != nil { known[key] = next }
            guard facts.type == .directory, let listing = opendir(next) else { continue }
            defer { closedir(listing) }
            while let entry = readdir(listing) {
                let name = withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
                if name == "." || name == ".." { continue }
                pending.append(next.hasSuffix("/") ? next + name : next + "/" + name)
            }
        }
    }
}
