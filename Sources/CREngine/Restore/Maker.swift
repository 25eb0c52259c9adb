import CPlatform

/// A task that makes a socket or a connection as somebody in particular: the kernel notes the effective ids of that
/// moment for the other end (SO_PEERCRED of unix(7)). The task still has our rights and takes them back at once.
struct Maker {
    let thread: StubThread
    let uid: UInt32
    let gid: UInt32
    let groups: [UInt32]
    /// What the task has now.
    let inherited: CredentialsImage

    private static let unchanged = -1
    /// Byte of the scratch memory where groups go, behind all that calls use.
    private static let groupsPlace = 1024

    /// Makes one call as that user; an address in it may point to the first 1024 bytes of the scratch memory.
    @discardableResult
    func call(
        _ name: String, _ number: Int, _ a: Int = 0, _ b: Int = 0, _ c: Int = 0, _ d: Int = 0
    ) throws(RestoreError) -> Int {
        let isOther = uid != inherited.euid || gid != inherited.egid || groups != inherited.groups
        if !isOther { return try thread.call(name, number, a, b, c, d) }
        try set(groups)
        try thread.call("setresgid", CP_SYS_setresgid, Self.unchanged, Int(gid), Self.unchanged)
        try thread.call("setresuid", CP_SYS_setresuid, Self.unchanged, Int(uid), Self.unchanged)
        let result = try thread.attempt(name, number, a, b, c, d)
        try thread.call("setresuid", CP_SYS_setresuid, Self.unchanged, Int(inherited.euid), Self.unchanged)
        try thread.call("setresgid", CP_SYS_setresgid, Self.unchanged, Int(inherited.egid), Self.unchanged)
        try set(inherited.groups)
        switch result {
        case .success(let value): return value
        case .failure(let errno):
            throw RestoreError("task \(thread.tid)", "\(name)(2) made in the task failed", errno: errno)
        }
    }

    private func set(_ groups: [UInt32]) throws(RestoreError) {
        if self.groups == inherited.groups { return }
        let bytes = groups.flatMap { group in SocketMessage.raw(group) }
        try thread.call(
            "setgroups", CP_SYS_setgroups, groups.count, try thread.put(bytes, at: Self.groupsPlace))
    }
}
