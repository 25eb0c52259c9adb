import CPlatform
import Glibc

/// Effective ids of the calling thread, changed for the duration of something, with all capabilities.
///
/// What belongs to a user namespace asks for them: no file can be made in a file system of such a namespace by an id that is
/// not mapped in it (EOVERFLOW, `fsuidgid_has_mapping` of include/linux/fs.h), and /proc/sys/kernel has its ipc settings for the
/// root of the namespace alone (`ipc_permissions` of ipc/ipc_sysctl.c).
struct ActingIDs: Sendable {
    /// As we see them.
    let user: UInt32
    let group: UInt32

    /// Those by which we act in a user namespace of these maps; nil where nothing is mapped.
    init?(_ users: IDMap, _ groups: IDMap) {
        guard let user = users.first.flatMap(users.outside), let group = groups.first.flatMap(groups.outside)
        else { return nil }
        self.user = user
        self.group = group
    }

    private static let same = -1
    private static let (getDeathSignal, setDeathSignal, getDumpable, setDumpable) = (2, 1, 3, 4)
    private static let (getSecureBits, setSecureBits) = (27, 28)
    /// SECBIT_NO_SETUID_FIXUP: ids change, and capabilities stay.
    private static let keepsCapabilities = 4

    /// Ends the process where the thread cannot change its ids, or cannot come back: nothing may be done as somebody else.
    func run<Value: ~Copyable, Problem: Error>(
        _ body: () throws(Problem) -> Value
    ) throws(Problem) -> Value {
        let (user, group) = (Int(geteuid()), Int(getegid()))
        if user == self.user, group == self.group { return try body() }
        // A change of ids takes both away, see prctl(2).
        var deathSignal: Int32 = 0
        withUnsafeMutablePointer(to: &deathSignal) { pointer in
            _ = cp_syscall(CP_SYS_prctl, Self.getDeathSignal, Int(bitPattern: pointer), 0, 0, 0, 0)
        }
        let isDumpable = cp_syscall(CP_SYS_prctl, Self.getDumpable, 0, 0, 0, 0, 0) == 1
        let bits = Int(cp_syscall(CP_SYS_prctl, Self.getSecureBits, 0, 0, 0, 0, 0))
        Self.must(CP_SYS_prctl, Self.setSecureBits, bits | Self.keepsCapabilities)
        Self.must(CP_SYS_setresgid, Self.same, Int(self.group), Self.same)
        Self.must(CP_SYS_setresuid, Self.same, Int(self.user), Self.same)
        defer {
            Self.must(CP_SYS_setresuid, Self.same, user, Self.same)
            Self.must(CP_SYS_setresgid, Self.same, group, Self.same)
            Self.must(CP_SYS_prctl, Self.setSecureBits, bits)
            Self.must(CP_SYS_prctl, Self.setDeathSignal, Int(deathSignal))
            if isDumpable { Self.must(CP_SYS_prctl, Self.setDumpable, 1) }
        }
        return try body()
    }

    private static func must(_ number: Int, _ a: Int, _ b: Int, _ c: Int = 0) {
        if cp_syscall(number, a, b, c, 0, 0, 0) < 0 { abort() }
    }
}
