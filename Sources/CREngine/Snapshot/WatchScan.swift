import CPlatform
import Glibc

/// One watch of inotify or mark of fanotify, and how its file can be found again.
package struct Watch: Equatable, Sendable {
    package var row: WatchRow
    /// Leads to the file now; nil where none is known.
    package var path: String?
    /// Whether the handle leads to a file that has a name, or `path` does, and the number can be given again.
    package var isFound: Bool
    package init(row: WatchRow, path: String?, isFound: Bool) {
        self.row = row
        self.path = path
        self.isFound = isFound
    }
}

/// What an instance of inotify or fanotify watches.
package struct WatchFacts: Equatable, Sendable {
    package var watches: [Watch] = []
    /// Bytes of events that the program has not read.
    package var unread: Int32 = 0
    package init() {}
}

/// Watches of the tree.
enum WatchScan {
    static func facts(of snapshot: inout Snapshot) -> [OpenFileID: WatchFacts] {
        let files = snapshot.openFiles.filter {
            Inotify.recognise($0, in: snapshot) != nil || Fanotify.recognise($0, in: snapshot) != nil
        }
        if files.isEmpty { return [:] }
        let handles = try? FileHandles()
        var found: [OpenFileID: WatchFacts] = [:]
        for file in files {
            var facts = WatchFacts()
            for line in file.info.details {
                guard let row = WatchRow(line) else { continue }
                facts.watches.append(locate(row, handles))
            }
            do throws(Errno) {
                facts.unread = try unread(file)
            } catch {
                snapshot.events.append(.unreadable(file.pid, what: "fd/\(file.fd)", error))
            }
            found[file.id] = facts
        }
        return found
    }

    private static func locate(_ row: WatchRow, _ handles: FileHandles?) -> Watch {
        if case .mount(let id) = row.place {
            let path = handles?.mount(id)?.mountPoint
            return Watch(row: row, path: path, isFound: path != nil)
        }
        if case .watch(let number) = row.place, number > InotifyImage.highestNumber {
            return Watch(row: row, path: nil, isFound: false)
        }
        guard
            let file = try? handles?.open(
                device: row.device, inode: row.inode, type: row.handleType, handle: row.handle),
            let facts = try? FileFacts.of("/proc/self/fd/\(file.rawValue)", followingLinks: true),
            facts.links > 0
        else { return Watch(row: row, path: nil, isFound: false) }
        let path = try? link(file)
        let isRight =
            path.flatMap { try? FileFacts.of($0, followingLinks: false) }?.isSameFile(as: facts) ?? false
        return Watch(row: row, path: isRight ? path : nil, isFound: true)
    }

    private static func link(_ file: borrowing OwnedFD) throws(Errno) -> String {
        try ProcDirectory.open("/proc/self/fd").link("\(file.rawValue)")
    }

    /// Through a short-lived duplicate: nobody waits for the end of such a file.
    private static func unread(_ file: OpenFile) throws(Errno) -> Int32 {
        let process = OwnedFD(
            taking: Int32(try systemCall(CP_SYS_pidfd_open, Int(file.pid.rawValue), 0)))
        let copy = OwnedFD(
            taking: Int32(
                try systemCall(CP_SYS_pidfd_getfd, Int(process.rawValue), Int(file.fd), 0)))
        var bytes: Int32 = 0
        try withUnsafeMutablePointer(to: &bytes) { (pointer) throws(Errno) -> Void in
            try systemCall(CP_SYS_ioctl, Int(copy.rawValue), Int(FIONREAD), Int(bitPattern: pointer))
        }
        return bytes
    }
}
