import CPlatform

/// A tmpfs of our own that is mounted nowhere. See fsopen(2) and fsmount(2).
enum EmptyFileSystem {
    /// The descriptor is its root directory; it goes with that.
    static func make() throws(Errno) -> OwnedFD {
        let (closeOnExec, create) = (1, 6)
        let name: StaticString = "tmpfs"
        let context = try systemCall(CP_SYS_fsopen, Int(bitPattern: name.utf8Start), closeOnExec)
        let opened = OwnedFD(taking: Int32(context))
        try systemCall(CP_SYS_fsconfig, Int(opened.rawValue), create, 0, 0, 0)
        return OwnedFD(
            taking: Int32(try systemCall(CP_SYS_fsmount, Int(opened.rawValue), closeOnExec, 0)))
    }
}
