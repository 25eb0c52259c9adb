import CPlatform

extension CredentialsImage {
    func message(in arena: MessageArena) -> UnsafeMutablePointer<CredsEntry> {
        func words(_ set: UInt64) -> (Int, UnsafeMutablePointer<UInt32>) {
            (2, arena.array([UInt32(truncatingIfNeeded: set), UInt32(truncatingIfNeeded: set >> 32)]))
        }
        let message = arena.make(creds_entry__init)
        message.pointee.uid = uid
        message.pointee.gid = gid
        message.pointee.euid = euid
        message.pointee.egid = egid
        message.pointee.suid = suid
        message.pointee.sgid = sgid
        message.pointee.fsuid = fsuid
        message.pointee.fsgid = fsgid
        (message.pointee.n_cap_inh, message.pointee.cap_inh) = words(inheritable)
        (message.pointee.n_cap_prm, message.pointee.cap_prm) = words(permitted)
        (message.pointee.n_cap_eff, message.pointee.cap_eff) = words(effective)
        (message.pointee.n_cap_bnd, message.pointee.cap_bnd) = words(bounding)
        (message.pointee.n_cap_amb, message.pointee.cap_amb) = words(ambient)
        message.pointee.secbits = securebits
        (message.pointee.n_groups, message.pointee.groups) = (groups.count, arena.array(groups))
        if let securityProfile { message.pointee.lsm_profile = arena.string(securityProfile) }
        if let socketProfile { message.pointee.lsm_sockcreate = arena.string(socketProfile) }
        if noNewPrivileges { (message.pointee.has_no_new_privs, message.pointee.no_new_privs) = (1, 1) }
        return message
    }

    init(_ message: CredsEntry, _ entry: ImageEntry) throws(ImageError) {
        func set(
            _ start: UnsafeMutablePointer<UInt32>?, _ count: Int, _ what: String
        ) throws(ImageError) -> UInt64 {
            let words = scalarList(start, count)
            guard words.count <= 2 else {
                throw entry.error("\(what) capabilities have \(words.count) words where 2 belong")
            }
            return words.reversed().reduce(0) { $0 << 32 | UInt64($1) }
        }
        self.init()
        uid = message.uid
        gid = message.gid
        euid = message.euid
        egid = message.egid
        suid = message.suid
        sgid = message.sgid
        fsuid = message.fsuid
        fsgid = message.fsgid
        inheritable = try set(message.cap_inh, message.n_cap_inh, "inheritable")
        permitted = try set(message.cap_prm, message.n_cap_prm, "permitted")
        effective = try set(message.cap_eff, message.n_cap_eff, "effective")
        bounding = try set(message.cap_bnd, message.n_cap_bnd, "bounding")
        ambient = try set(message.cap_amb, message.n_cap_amb, "ambient")
        securebits = message.secbits
        groups = scalarList(message.groups, message.n_groups)
        if let text = message.lsm_profile { securityProfile = try entry.text(text, "security profile") }
        if let text = message.lsm_sockcreate { socketProfile = try entry.text(text, "socket profile") }
        noNewPrivileges = message.no_new_privs != 0
    }
}
