/// One watch or mark as fdinfo of inotify and fanotify shows it; fs/notify/fdinfo.c.
package struct WatchRow: Equatable, Sendable {
    /// What is watched.
    package enum Place: Equatable, Sendable {
        /// inotify, with the number that events carry.
        case watch(UInt32)
        case inode
        /// With the id of the mount.
        case mount(Int32)
        /// A whole file system, or a kind that this build does not know: the line.
        case other(String)
    }
    package var place: Place
    package var inode: UInt64 = 0
    /// Kernel encoding, major<<20|minor.
    package var device: UInt32 = 0
    package var mask: UInt32 = 0
    package var ignoredMask: UInt32 = 0
    /// FAN_MARK_*
    package var flags: UInt32 = 0
    package var handleType: UInt32 = 0
    /// Empty where the file system gives no handles.
    package var handle: [UInt8] = []

    /// `inotify wd:1 ino:3df9d sdev:fe00000 mask:100 ignored_mask:0 fhandle-bytes:8 fhandle-type:1 f_handle:9ddf0300…`,
    /// `fanotify mnt_id:1b mflags:0 mask:22 ignored_mask:0`, `fanotify sdev:…`. Nil for any other line, also the first
    /// one of fanotify.
    package init?(_ line: String) {
        let words = line.split { $0 == " " || $0 == "\t" }
        var values: [Substring: Substring] = [:]
        for word in words.dropFirst() {
            guard let colon = word.firstIndex(of: ":") else { continue }
            values[word[..<colon]] = word[word.index(after: colon)...]
        }
        func number(_ key: Substring) -> UInt64? { values[key].flatMap { UInt64($0, radix: 16) } }
        switch words.first {
        case "inotify":
            guard let watch = number("wd") else { return nil }
            place = .watch(UInt32(truncatingIfNeeded: watch))
        case "fanotify":
            if values["event-flags"] != nil { return nil }
            if let mount = number("mnt_id") {
                place = .mount(Int32(truncatingIfNeeded: mount))
            } else {
                place = values["ino"] == nil ? .other(line) : .inode
            }
        default: return nil
        }
        inode = number("ino") ?? 0
        device = UInt32(truncatingIfNeeded: number("sdev") ?? 0)
        mask = UInt32(truncatingIfNeeded: number("mask") ?? 0)
        ignoredMask = UInt32(truncatingIfNeeded: number("ignored_mask") ?? 0)
        flags = UInt32(truncatingIfNeeded: number("mflags") ?? 0)
        handleType = UInt32(truncatingIfNeeded: number("fhandle-type") ?? 0)
        let digits = Array((values["f_handle"] ?? "").utf8)
        let size = Int(number("fhandle-bytes") ?? 0)
        guard size <= digits.count / 2 else { return }
        handle = (0..<size).compactMap {
            UInt8(String(decoding: digits[(2 * $0)..<(2 * $0 + 2)], as: UTF8.self), radix: 16)
        }
    }
}
