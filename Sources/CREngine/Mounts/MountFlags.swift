/// Flags of one mount, or of a file system, in the encoding of mount(2), as images have them.
package struct MountFlags: OptionSet, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let readOnly = MountFlags(rawValue: 1)
    package static let noSUID = MountFlags(rawValue: 2)
    package static let noDevices = MountFlags(rawValue: 4)
    package static let noExec = MountFlags(rawValue: 8)
    package static let synchronous = MountFlags(rawValue: 16)
    package static let mandatoryLocks = MountFlags(rawValue: 64)
    package static let directorySync = MountFlags(rawValue: 128)
    package static let noSymbolicLinks = MountFlags(rawValue: 256)
    package static let noAccessTimes = MountFlags(rawValue: 1024)
    package static let noDirectoryTimes = MountFlags(rawValue: 2048)
    package static let unbindable = MountFlags(rawValue: 1 << 17)
    package static let `private` = MountFlags(rawValue: 1 << 18)
    package static let slave = MountFlags(rawValue: 1 << 19)
    package static let shared = MountFlags(rawValue: 1 << 20)
    package static let relativeTimes = MountFlags(rawValue: 1 << 21)
    package static let lazyTimes = MountFlags(rawValue: 1 << 25)

    /// Words of the sixth field of mountinfo. Without `noatime` and `relatime` access times are strict.
    private static let mountWords: [String: MountFlags] = [
        "ro": .readOnly, "nosuid": .noSUID, "nodev": .noDevices, "noexec": .noExec,
        "nosymfollow": .noSymbolicLinks, "noatime": .noAccessTimes, "nodiratime": .noDirectoryTimes,
        "relatime": .relativeTimes,
    ]
    /// Words of the last field of mountinfo that are flags for every file system.
    private static let superblockWords: [String: MountFlags] = [
        "ro": .readOnly, "sync": .synchronous, "dirsync": .directorySync, "mand": .mandatoryLocks,
        "lazytime": .lazyTimes,
    ]

    /// Of one mount, with how it shares.
    init(of row: MountRow) {
        self = row.options.reduce(into: []) { $0.formUnion(Self.mountWords[$1] ?? []) }
        if row.peerGroup != 0 { insert(.shared) }
        if row.masterGroup != 0 { insert(.slave) }
        if row.isUnbindable { insert(.unbindable) }
    }

    /// Of the file system as a whole.
    init(superblockOf row: MountRow) {
        self = row.fileSystemOptions.reduce(into: []) { $0.formUnion(Self.superblockWords[$1] ?? []) }
    }

    /// The words for fsconfig(2) and FSCONFIG_SET_FLAG.
    var superblockFlagWords: [String] {
        Self.superblockWords.filter { contains($0.value) }.map(\.key).sorted()
    }

    /// What of mountinfo's last field belongs to the file system: all but `rw` and the general flags.
    static func ownOptions(of row: MountRow) -> [String] {
        row.fileSystemOptions.filter { $0 != "rw" && superblockWords[$0] == nil }
    }

    /// MOUNT_ATTR_* of mount_setattr(2): what is to be set, besides the access times, which are a number of their own.
    var attributes: UInt64 {
        let bits: [(MountFlags, UInt64)] = [
            (.readOnly, 0x1), (.noSUID, 0x2), (.noDevices, 0x4), (.noExec, 0x8), (.noDirectoryTimes, 0x80),
            (.noSymbolicLinks, 0x20_0000),
        ]
        let times: UInt64 = contains(.noAccessTimes) ? 0x10 : contains(.relativeTimes) ? 0 : 0x20
        return bits.reduce(times) { contains($1.0) ? $0 | $1.1 : $0 }
    }

    /// All bits that `attributes` can hold.
    static let allAttributes: UInt64 = 0x20_00ff
}
