/// Watches of file systems. See fanotify(7).
package enum Fanotify: FileKind {
    package struct State: Equatable, Sendable {
        /// Of fanotify_init(2).
        package let groupFlags: UInt32
        /// Open flags of the descriptors in events.
        package let eventFlags: UInt32
    }
    package static let tag = FileTag.fanotify
    /// FAN_OPEN_PERM, FAN_ACCESS_PERM, FAN_OPEN_EXEC_PERM and FAN_PRE_ACCESS.
    private static let permission: UInt32 = 0x17_0000

    package static func recognise(_ file: OpenFile, in snapshot: Snapshot) -> State? {
        guard file.link.hasPrefix("anon_inode:[fanotify]") else { return nil }
        var flags: UInt32 = 0
        var eventFlags: UInt32 = 0
        for line in file.info.details where line.hasPrefix("fanotify flags:") {
            let words = line.split { $0 == " " || $0 == ":" }
            guard words.count == 5 else { continue }
            flags = UInt32(words[2], radix: 16) ?? 0
            eventFlags = UInt32(words[4], radix: 16) ?? 0
        }
        return State(groupFlags: flags, eventFlags: eventFlags)
    }

    package static func findings(_ state: State, of file: OpenFile, in context: ScanContext) -> [Finding] {
        var found: [Finding] = []
        for watch in context.snapshot.watches[file.id]?.watches ?? [] {
            if case .other(let line) = watch.row.place {
                found.append(Finding(.fanotifyMark, context.object(file), line))
            } else if (watch.row.mask | watch.row.ignoredMask) & permission != 0 {
                found.append(
                    Finding(
                        .fanotifyMark, context.object(file), "fanotify group that is asked for permission"))
            }
        }
        if !found.isEmpty { return found }
        return WatchRules.findings(.fanotify, of: file, in: context)
    }
}
