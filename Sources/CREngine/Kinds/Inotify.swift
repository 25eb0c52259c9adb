import PolicyModel

/// Watches of files. See inotify(7).
package enum Inotify: FileKind {
    package struct State: Equatable, Sendable {
        /// Files that it watches; `Snapshot.watches` says which.
        package let watches: Int
    }
    package static let tag = FileTag.inotify

    package static func recognise(_ file: OpenFile, in snapshot: Snapshot) -> State? {
        guard file.link.hasPrefix("anon_inode:inotify") || file.link.hasPrefix("anon_inode:[inotify]") else {
            return nil
        }
        return State(watches: file.info.details.count { $0.hasPrefix("inotify") })
    }

    package static func findings(_ state: State, of file: OpenFile, in context: ScanContext) -> [Finding] {
        WatchRules.findings(.inotify, of: file, in: context)
    }
}

/// The rules that inotify and fanotify share.
enum WatchRules {
    /// What was not read, and each watch whose file cannot be found again.
    static func findings(_ code: FindingCode, of file: OpenFile, in context: ScanContext) -> [Finding] {
        guard let facts = context.snapshot.watches[file.id] else { return [] }
        var found: [Finding] = []
        if facts.unread > 0 {
            found.append(
                Finding(
                    .unreadEvents, context.object(file), "\(facts.unread) bytes of events nobody has read"))
        }
        for watch in facts.watches where !watch.isFound {
            var object = context.object(file)
            object.inode = watch.row.inode
            let device = DeviceNumber(watch.row.device >> 20, watch.row.device & 0xf_ffff)
            let what =
                switch watch.row.place {
                case .watch(let number): "watch \(number) of inode \(watch.row.inode) on device \(device)"
                case .mount(let id): "mark of mount \(id)"
                case .inode, .other: "mark of inode \(watch.row.inode) on device \(device)"
                }
            found.append(
                Finding(
                    code, object, what, severity: context.allow.fsnotify == .drop ? .allowed : nil))
        }
        return found
    }
}
