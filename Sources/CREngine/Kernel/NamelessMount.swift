import CPlatform

/// A file system that is mounted nowhere. See fsopen(2) and fsmount(2).
enum NamelessMount {
    /// A new tmpfs of our own.
    static func empty() throws(Errno) -> OwnedFD { try make("tmpfs") }

    /// The descriptor is its root directory; it goes with that. Throws ENODEV for a kind that this kernel has not.
    static func make(_ kind: StaticString) throws(Errno) -> OwnedFD {
        let closeOnExec = 1
        let context = try systemCall(CP_SYS_fsopen, Int(bitPattern: kind.utf8Start), closeOnExec)
        let opened = OwnedFD(taking: Int32(context))
        try systemCall(CP_SYS_fsconfig, Int(opened.rawValue), Int(CP_FSCONFIG_CMD_CREATE), 0, 0, 0)
        return OwnedFD(
            taking: Int32(try systemCall(CP_SYS_fsmount, Int(opened.rawValue), closeOnExec, 0)))
    }
}
